/** Protects: a referee that finds everything right is worth nothing. */
import { Labels } from '@loki/model';
import type { Answer } from './compare.ts';
import type { Question } from './gen-request.ts';
import { Referee } from './referee.ts';

const second = 1_000_000_000n;
const referee = new Referee({
  pushes: [
    {
      tenant: 'one',
      streams: [
        {
          labels: Labels.fromPairs([['app', 'api']]),
          rows: [
            { timestampNs: 1n * second, line: 'level=info took=2', metadata: [] },
            { timestampNs: 2n * second, line: 'level=warn took=4 app=x', metadata: [['trace', 't1']] },
            { timestampNs: 2n * second, line: 'level=warn took=4 app=x', metadata: [['trace', 't1']] },
          ],
        },
      ],
    },
  ],
});

function judged(query: string, data: object, kind: Question['kind'] = 'instant') {
  const question: Question = {
    tenants: ['one'],
    kind,
    query,
    startNs: 0n,
    endNs: 3n * second,
    stepNs: second,
    limit: 100,
    direction: 'forward',
    intervalNs: 0n,
  };
  const text = JSON.stringify({ status: 'success', data }).slice(0, -2);
  const verdict = referee.judge(question, { isError: false, text } satisfies Answer);
  return typeof verdict === 'string' ? verdict : verdict.difference;
}

const vector = (...samples: (readonly [object, string])[]) => ({
  resultType: 'vector',
  result: samples.map(([metric, value]) => ({ metric, value: [3, value] })),
});

const sum = 'sum by (app) (sum_over_time({app="api"} | logfmt | unwrap took [5s]))';

test('samples: value, labels and number must be right', () => {
  expect(judged(sum, vector([{ app: 'api' }, '6']))).toBe('right');
  expect(judged(sum, vector([{ app: 'api' }, '7']))).toContain('7 for');
  expect(judged(sum, vector([{ app: 'x' }, '6']))).toContain('no sample for');
  expect(judged(sum, vector())).toContain('0 samples for 1');
});

test('a range is open below and closed above', () => {
  const query = 'count_over_time({app="api"}[1s] offset 1s)';
  expect(judged(query, vector([{ app: 'api', trace: 't1' }, '1']))).toBe('right');
});

const streams = (...values: (readonly [string, string, object])[]) => ({
  resultType: 'streams',
  result: values.length === 0 ? [] : [{ stream: { app: 'api' }, values }],
});
const first = ['1000000000', 'level=info took=2', { parsed: { level: 'info', took: '2' } }] as const;
const last = [
  '2000000000',
  'level=warn took=4 app=x',
  { structuredMetadata: { trace: 't1' }, parsed: { level: 'warn', took: '4', app_extracted: 'x' } },
] as const;

test('lines: each once, in order, with their labels', () => {
  const ask = (data: object) => judged('{app="api"} | logfmt', data, 'log');
  expect(ask(streams(first, last))).toBe('right');
  expect(ask(streams(first))).toContain('1 rows for 2');
  expect(ask(streams(last, first))).toContain('out of order');
  expect(ask(streams(first, first))).toContain('not expected');
  expect(ask(streams(first, [last[0], last[1], { parsed: {} }]))).toContain('not expected');
});

test('undefined behaviour of the language is not judged', () => {
  expect(judged('{app="api"} | line_format "{{now}}"', streams(first), 'log')).toBe('unsure');
  // The details of an error that is dropped alone are labels of the series.
  const dropped = 'count_over_time({app="api"} | json | drop __error__ [1h])';
  expect(judged(dropped, vector([{ app: 'api', __error_details__: 'whatever' }, '1']))).toBe('unsure');
});
