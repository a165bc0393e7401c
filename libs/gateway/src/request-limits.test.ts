import { parseExpr } from '@loki/logql';
import { checkBlocked, parseTags } from './check-limits.ts';
import { tightenedLimits } from './request-limits.ts';
import { limitsDefault } from './test-gateway.ts';

const limits = {
  ...limitsDefault,
  maxQueryLengthMs: 3_600_000,
  requiredLabels: ['app'],
  minimumLabelsNumber: 1,
};

describe('limits that come with a request', () => {
  test('tighten', () => {
    const text = JSON.stringify({
      maxQueryLength: '30m',
      maxQueryInterval: '5m0s',
      maxQueryLookback: '1d',
      maxQueryTime: '1500ms',
      maxEntriesLimitPerQuery: 7,
      maxQueryBytesRead: '2GB',
      requiredLabels: ['env', 'app'],
      minimumLabelsNumber: 2,
    });
    expect(tightenedLimits(limits, text)).toMatchObject({
      maxQueryLengthMs: 1_800_000,
      maxQueryRangeMs: 300_000,
      maxQueryLookbackMs: 86_400_000,
      queryTimeoutMs: 1500,
      maxEntriesLimitPerQuery: 7,
      maxQueryBytesRead: 2 ** 31,
      requiredLabels: ['app', 'env'],
      minimumLabelsNumber: 2,
    });
  });

  test('never loosen', () => {
    const text = JSON.stringify({
      maxQueryLength: '2h',
      maxEntriesLimitPerQuery: 1e6,
      requiredLabels: [],
      minimumLabelsNumber: 0,
      maxQueryTime: 0,
    });
    expect(tightenedLimits(limits, text)).toEqual(limits);
    expect(tightenedLimits(limits, undefined)).toBe(limits);
    expect(tightenedLimits(limits, '')).toBe(limits);
  });

  test.each([
    'x',
    '[]',
    'null',
    '{"maxQueryLength":"soon"}',
    '{"maxQueryBytesRead":-1}',
    '{"requiredLabels":[1]}',
  ])('%s is refused', (text) => {
    expect(() => tightenedLimits(limits, text)).toThrow('X-Loki-Query-Limits');
  });
});

describe('blocked queries', () => {
  test('may be narrowed by the tags of a request', () => {
    const rule = {
      pattern: '.*',
      regex: true,
      hash: 0,
      types: [],
      tags: new Map([['source', 'grafana']]),
    };
    const blocking = { ...limitsDefault, blockedQueries: [rule] };
    const check = (tags?: string) => () => checkBlocked(parseExpr('{a="b"}'), '{a="b"}', blocking, tags);
    expect(check('Source=grafana,x=y')).toThrow('query blocked by policy');
    expect(check('Source=other')).not.toThrow();
    expect(check()).not.toThrow();
  });

  test('tags are pairs, names in any case, odd characters replaced', () => {
    expect([...parseTags('Source=a b,X=1=2, =no,nothing,y="z"')]).toEqual([
      ['source', 'a b'],
      ['x', '1=2'],
      ['y', '_z_'],
    ]);
  });
});
