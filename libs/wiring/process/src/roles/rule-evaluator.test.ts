/**
 * Protects rules that query frontends elsewhere evaluate: the same samples as here, and nothing that they say
 * goes unread.
 */
import type { LimitsSource } from '@loki/config';
import { LokiError, parseTenantId } from '@loki/model';
import type { HttpRequest, HttpResponse, Timers } from '@loki/ports';
import { NodeTimers } from '@loki/runtime';
import { remoteEvaluator, withJitter } from './rule-evaluator.ts';

const tenant = parseTenantId('acme');
const signal = new AbortController().signal;

function evaluator(
  answer: (request: HttpRequest) => Promise<HttpResponse> | HttpResponse,
  limits: object = {},
) {
  const forTenant = () => ({
    rulerRemoteEvaluationTimeoutMs: 0,
    rulerRemoteEvaluationBytesMax: 0,
    ...limits,
  });
  return remoteEvaluator({
    frontends: { call: async (_, request) => answer(request) },
    limits: { forTenant } as unknown as LimitsSource,
    timers: new NodeTimers(),
  });
}

function vector(...result: unknown[]): HttpResponse {
  const data = { resultType: 'vector', result, stats: {} };
  return { status: 200, body: Buffer.from(JSON.stringify({ status: 'success', data })) };
}

test('a query is asked for the tenant at the moment of the slot', async () => {
  let asked: HttpRequest | undefined;
  const evaluate = evaluator((request) => {
    asked = request;
    return vector();
  });
  await evaluate(tenant, 'sum(rate({a="ü"}[1m])) > 1', 1_700_000_000_123_000_000n, signal);
  expect(asked).toMatchObject({ method: 'GET', path: '/loki/api/v1/query' });
  expect(asked!.headers.get('x-scope-orgid')).toBe('acme');
  const params = new URLSearchParams(asked!.queryText);
  expect(params.get('query')).toBe('sum(rate({a="ü"}[1m])) > 1');
  expect(params.get('time')).toBe('1700000000123000000');
});

test('samples of every kind are read', async () => {
  const metric = JSON.parse('{"b":"2","a":"1","__proto__":"p"}') as object;
  const evaluate = evaluator(() =>
    vector(
      { metric, value: [1.5, '0.1'] },
      { metric: {}, value: [1, '+Inf'] },
      { metric: {}, value: [1, '-Inf'] },
      { metric: {}, value: [1, 'NaN'] },
      { metric: {}, value: [1, '1e+30'] },
    ),
  );
  expect(await evaluate(tenant, 'vector(1)', 0n, signal)).toEqual([
    {
      labels: [
        ['__proto__', 'p'],
        ['a', '1'],
        ['b', '2'],
      ],
      value: 0.1,
    },
    { labels: [], value: Infinity },
    { labels: [], value: -Infinity },
    { labels: [], value: Number.NaN },
    { labels: [], value: 1e30 },
  ]);
  const scalar = evaluator(() => ({
    status: 200,
    body: '{"data":{"resultType":"scalar","result":[1,"3"]}}',
  }));
  expect(await scalar(tenant, '1 + 2', 0n, signal)).toEqual([{ labels: [], value: 3 }]);
});

test('an expression that is no metric query is refused without a call', async () => {
  const evaluate = evaluator(() => {
    throw new Error('nobody should be asked');
  });
  await expect(evaluate(tenant, '{a="b"}', 0n, signal)).rejects.toThrow(
    'rule result is not a vector or scalar',
  );
});

test.each([
  ['a refusal', { status: 400, body: 'too many series\n' }, {}, 'badRequest', 'too many series'],
  ['a failure', { status: 500, body: 'internal error\n' }, {}, 'unavailable', 'internal error'],
  ['no JSON', { status: 200, body: '<html>' }, {}, 'unavailable', 'no JSON'],
  [
    'a matrix',
    { status: 200, body: '{"data":{"resultType":"matrix","result":[]}}' },
    {},
    'badRequest',
    'not a vector',
  ],
  ['a sample without value', vector({ metric: {} }), {}, 'unavailable', 'without value'],
  [
    'too much',
    vector({ metric: { a: 'x'.repeat(100) }, value: [1, '1'] }),
    { rulerRemoteEvaluationBytesMax: 100 },
    'badRequest',
    'larger than allowed: 100',
  ],
] as const)('%s is an error of the rule', async (_, response, limits, code, text) => {
  const evaluate = evaluator(() => response, limits);
  const failure = await evaluate(tenant, 'vector(1)', 0n, signal).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(LokiError);
  expect((failure as LokiError).code).toBe(code);
  expect((failure as LokiError).message).toContain(text);
});

test('a frontend that never answers is given up after the tenant’s time', async () => {
  const evaluate = evaluator(
    (request) =>
      new Promise((__, reject) => {
        request.signal.addEventListener('abort', () => reject(request.signal.reason as Error));
      }),
    { rulerRemoteEvaluationTimeoutMs: 50 },
  );
  await expect(evaluate(tenant, 'vector(1)', 0n, signal)).rejects.toMatchObject({ code: 'timeout' });
});

test('jitter makes a rule wait, each time as long', async () => {
  const waits: number[] = [];
  const timers = { sleep: async (ms: number) => void waits.push(ms) } as unknown as Timers;
  const evaluate = withJitter(async () => [], timers, 1_000);
  for (const expr of ['a', 'b', 'a', 'c']) await evaluate(tenant, expr, 0n, signal);
  expect(waits[0]).toBe(waits[2]);
  expect(new Set(waits).size).toBe(3);
  expect(waits.every((ms) => ms >= 0 && ms < 1_000)).toBe(true);
  const plain = async () => [];
  expect(withJitter(plain, timers, 0)).toBe(plain);
});
