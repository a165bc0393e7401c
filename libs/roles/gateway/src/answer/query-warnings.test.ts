/**
 * Protects people from taking a part for the whole, and clients of Loki from warnings that Loki would not
 * give.
 */
import type { Limits } from '@loki/config';
import { loadHash } from '@loki/model';
import { QueryApi } from '../api/query-api.ts';
import { clock, getRequest, nowNs, tenancyOf, testFrontend, TestQuerier } from '../test/gateway.ts';

beforeAll(loadHash);

const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const query = '{app="a"}';

async function answerOf(limits: Partial<Limits>, params: Record<string, string> = {}): Promise<string> {
  const querier = new TestQuerier();
  querier.rows.set('t', [
    { ts: nowNs - 2n, line: 'one', stream: { app: 'a' } },
    { ts: nowNs - 1n, line: 'two', stream: { app: 'a' } },
  ]);
  const api = new QueryApi({ frontend: testFrontend(querier, limits), clock, logger });
  const { body } = await api.queryRange(getRequest({ query, ...params }), tenancyOf('t'));
  return String(body);
}

test('a limit that was reached is told where the tenant wants to hear of it', async () => {
  const text = await answerOf({ queryWarningsEnabled: true }, { limit: '2' });
  expect(text).toMatch(
    /^\{"status":"success","warnings":\["the limit of 2 entries was reached[^\]]*"\],"data":/,
  );
  expect(await answerOf({ queryWarningsEnabled: true }, { limit: '3' })).toMatch(
    /^\{"status":"success","data":/,
  );
});

test('a cut range causes a warning', async () => {
  const limits = { queryWarningsEnabled: true, maxQueryLookbackMs: 86_400_000 };
  const params = { start: String(nowNs - 172_800_000_000_000n), end: String(nowNs) };
  expect(await answerOf(limits, params)).toContain('queries look back 1d at most (max_query_lookback)');
  expect(await answerOf(limits)).not.toContain('warnings');
});

test('other queries get no warning', async () => {
  expect(await answerOf({}, { limit: '1' })).not.toContain('warnings');
});
