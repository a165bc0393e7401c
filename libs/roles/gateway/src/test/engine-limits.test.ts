/** Protects what a tenant's limits say to the engine: it must arrive there. */
import { parseExpr } from '@loki/logql';
import { parseTenantId } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { LeafRequest, LeafResult } from '@loki/ports';
import { testFrontend, TestQuerier } from './gateway.ts';

const tenant = parseTenantId('acme');
const params = {
  tenant,
  startNs: 0n,
  endNs: 0n,
  stepNs: 0n,
  isInstant: true,
  direction: 'forward' as const,
  limit: 0,
  intervalNs: 0n,
  seriesMax: 0,
};

/** A querier whose answer to each leaf is a thousand series, counted 0, 1, 2 … */
class CountingQuerier extends TestQuerier {
  override readonly requests: LeafRequest[] = [];

  override async runLeaf(request: LeafRequest): Promise<never> {
    this.requests.push(request);
    const result: LeafResult = {
      kind: 'samples',
      steps: 1,
      series: Array.from({ length: 1000 }, (_, i) => ({
        labels: [['n', String(i)]],
        columns: [Float64Array.of(i + 1)],
      })),
      stats: emptyLeafStats(),
    };
    return Promise.resolve(result as never);
  }
}

function ask(query: string, limits: Parameters<typeof testFrontend>[1]) {
  const querier = new CountingQuerier();
  const frontend = testFrontend(querier, limits);
  const client = new AbortController().signal;
  const answer = frontend.query({ ids: [tenant], isMulti: false }, parseExpr(query), params, { client });
  return { querier, answer: answer.finally(() => frontend.stop()) };
}

test('approx_topk needs to be named in shard_aggregations', async () => {
  const query = 'approx_topk(1, count_over_time({a="b"}[1m]))';
  await expect(ask(query, {}).answer).rejects.toMatchObject({
    status: 500,
    message: 'approx_topk is not enabled. See -limits.shard_aggregations',
  });
  const { result } = await ask(query, { shardAggregations: ['approx_topk'] }).answer;
  expect(result).toMatchObject({ samples: [{ labels: [['n', '999']], value: 1000 }] });
});

test('max_query_memory bounds the root, and goes with each leaf', async () => {
  const query = 'topk(1, count_over_time({a="b"}[1m]))';
  const { querier, answer } = ask(query, { maxQueryMemoryBytes: 100_000 });
  await expect(answer).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining('the query needs too much memory (limit: 97.7 KiB)') as string,
  });
  expect(querier.requests).toMatchObject([{ memoryBytesMax: 100_000 }]);
  await expect(ask(query, { maxQueryMemoryBytes: 10_000_000 }).answer).resolves.toBeDefined();
});
