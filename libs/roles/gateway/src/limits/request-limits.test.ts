/** Protects: limits in request headers tighten the tenant's limits and never loosen them. */
import { parseExpr } from '@loki/logql';
import { hourNs } from '@loki/model';
import { MetadataApi } from '../api/metadata-api.ts';
import { QueryApi } from '../api/query-api.ts';
import {
  clock,
  getRequest,
  limitsDefault,
  logger,
  nowNs,
  tenancyOf,
  testFrontend,
  TestQuerier,
} from '../test/gateway.ts';
import { checkBlocked, parseTags } from './check-query-limits.ts';
import { parseWholeQuery, tightenedLimits } from './request-limits.ts';

const limits = {
  ...limitsDefault,
  maxQueryLengthMs: 3_600_000,
  requiredLabels: ['app'],
  minimumLabelsNumber: 1,
};

describe('limits that come with a request', () => {
  test("limits of a request tighten the tenant's", () => {
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

  test("limits of a request never loosen the tenant's", () => {
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
    '{"maxEntriesLimitPerQuery":"1KB"}',
    '{"minimumLabelsNumber":"1KB"}',
    '{"minimumLabelsNumber":0.5}',
  ])('%s is refused', (text) => {
    expect(() => tightenedLimits(limits, text)).toThrow('X-Loki-Query-Limits');
  });
});

test('how to share out streams is chosen, and what is unknown changes nothing', () => {
  const strategyOf = (strategy: unknown) =>
    tightenedLimits(limits, JSON.stringify({ tsdbShardingStrategy: strategy })).tsdbShardingStrategy;
  expect(['bounded', 'power_of_two', '', 'other', 7].map(strategyOf)).toEqual([
    'bounded',
    'power_of_two',
    'power_of_two',
    'power_of_two',
    'power_of_two',
  ]);
});

describe('the query that a request is a part of', () => {
  const context = (from: unknown, to: unknown, expr: unknown = '{app="a"}') =>
    JSON.stringify({ expr, from, to });

  test('has a query and two moments', () => {
    expect(parseWholeQuery(context('2023-11-14T22:13:20.000000001Z', 1_700_000_400_000))).toMatchObject({
      startNs: 1_700_000_000_000_000_001n,
      endNs: 1_700_000_400_000_000_000n,
    });
    expect(parseWholeQuery(undefined)).toBeUndefined();
    expect(parseWholeQuery('')).toBeUndefined();
  });

  test.each(['{', '[]', '{}', context('yesterday', 1), context(1, null), context(1, 2, 3)])(
    '%s is refused',
    (text) => expect(() => parseWholeQuery(text)).toThrow('X-Loki-Query-Limits-Context'),
  );

  const secondMs = 1000;
  const fiveHours = [nowNs - 18_000_000_000_000n, nowNs].map((ns) => Number(ns / 1_000_000n));

  function ask(headers: Record<string, string>, isOn = true, more: Partial<typeof limitsDefault> = {}) {
    const querier = new TestQuerier();
    querier.volumes.set('t', [{ labels: [['app', 'a']], entries: 1, lineBytes: 5000 }]);
    const bounds = { maxQueryLengthMs: 3600 * secondMs, ...more };
    const frontend = testFrontend(querier, bounds, { perRequestLimits: isOn });
    const api = new QueryApi({ frontend, clock, logger });
    const request = {
      ...getRequest({ query: '{app="a"}', since: '30m' }),
      headers: new Map(Object.entries(headers)),
    };
    return { querier, api, frontend, request, answer: api.queryRange(request, tenancyOf('t')) };
  }

  test('is held to the limits as a whole', async () => {
    const headers = { 'x-loki-query-limits-context': context(fiveHours[0], fiveHours[1]) };
    await expect(ask(headers).answer).rejects.toThrow('query length: 5h0m0s, limit: 1h');
    await expect(ask(headers, true, { maxQueryLengthMs: 0 }).answer).resolves.toMatchObject({ status: 200 });
    await expect(ask(headers, true, { maxQueryLengthMs: 0, requiredLabels: ['env'] }).answer).rejects.toThrow(
      'missing required matchers [env]',
    );
  });

  test('is measured as a whole, and so is the part', async () => {
    const selectors = async (from: number, to: number) => {
      const headers = { 'x-loki-query-limits-context': context(from, to, '{app="a"} |= "x"') };
      const { querier, answer } = ask(headers, true, { maxQueryBytesRead: 5000, maxQueryLengthMs: 0 });
      await answer;
      return querier.requests.filter((each) => 'selector' in each).map(({ startNs }) => startNs);
    };
    const [partNs, wholeNs] = [nowNs - 1_800_000_000_000n, nowNs - 5n * hourNs].map(
      (ns) => ns - (ns % hourNs),
    );
    expect(await selectors(fiveHours[0], fiveHours[1])).toEqual([partNs, wholeNs]);
    const headers = { 'x-loki-query-limits-context': context(fiveHours[0], fiveHours[1]) };
    await expect(ask(headers, true, { maxQueryBytesRead: 4999, maxQueryLengthMs: 0 }).answer).rejects.toThrow(
      'the query would read too many bytes',
    );
  });

  test('cannot be made small to get by a limit, nor does it count where requests have no limits of their own', async () => {
    const small = { 'x-loki-query-limits-context': context(0, 1) };
    await expect(ask(small, true, { maxQueryLengthMs: 60 * secondMs }).answer).rejects.toThrow(
      'query length: 30m0s, limit: 1m',
    );
    const large = { 'x-loki-query-limits-context': context(fiveHours[0], fiveHours[1]) };
    await expect(ask(large, false).answer).resolves.toMatchObject({ status: 200 });
    await expect(ask({ 'x-loki-query-limits-context': '{' }, false).answer).resolves.toMatchObject({
      status: 200,
    });
  });

  test('limits of a request hold for questions about streams too', async () => {
    const headers = { 'x-loki-query-limits': '{"maxQueryLength":"1m"}' };
    const labels = (isOn: boolean) => {
      const { frontend, querier, request, answer } = ask(headers, isOn);
      answer.catch(() => undefined);
      const api = new MetadataApi({ frontend, querier, clock, logger, multiTenantQueriesEnabled: false });
      return api.labels(request, tenancyOf('t'));
    };
    await expect(labels(true)).rejects.toThrow('query length: 30m0s, limit: 1m');
    await expect(labels(false)).resolves.toMatchObject({ status: 200 });
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
