/**
 * Protects queries over a day in many flushed segments, in a store 30 ms away: a query waits for the store a
 * few times, not once for each handful of segments. The times are virtual, and computing takes none.
 */
import { loadHash } from '@loki/model';
import type { LeafRequest } from '@loki/ports';
import { distantWorld, needleOf, second, slowReads, tenant } from './test/distant-store.ts';

beforeAll(loadHash);

const segments = 96;
const tripMs = 30;

async function world(opensAhead?: boolean) {
  return distantWorld(
    segments,
    slowReads(() => tripMs),
    opensAhead,
  );
}

const lines = (expr: string, endNs: bigint, direction: 'forward' | 'backward' = 'backward'): LeafRequest => ({
  kind: 'log',
  tenant,
  expr,
  startNs: 0n,
  endNs,
  direction,
  limit: 100,
});

const count = (expr: string, endNs: bigint): LeafRequest => ({
  kind: 'samples',
  tenant,
  expr,
  startNs: 600n * second,
  endNs,
  stepNs: 600n * second,
  seriesMax: 0,
});

test.each([
  [
    'a needle',
    (endNs: bigint) => lines(`{app=~".+"} |= "${needleOf(7_001)}"`, endNs),
    { trips: 3, requests: 97 },
  ],
  [
    'a needle that is absent',
    (endNs: bigint) => lines('{app=~".+"} |= "no such text"', endNs),
    { trips: 3, requests: 96 },
  ],
  [
    'a count',
    (endNs: bigint) => count('sum by (app) (count_over_time({app=~".+"}[10m]))', endNs),
    { trips: 2, requests: 96 },
  ],
  ['newest lines', (endNs: bigint) => lines('{app=~".+"}', endNs), { trips: 4, requests: 24 }],
  ['oldest lines', (endNs: bigint) => lines('{app=~".+"}', endNs, 'forward'), { trips: 4, requests: 24 }],
])('%s', async (_name, ask, { trips, requests }) => {
  const { querier, timed, endNs } = await world();
  const cold = await timed(() => querier.runLeaf(ask(endNs)));
  expect(cold.ms).toBeLessThanOrEqual(trips * tripMs);
  expect(cold.requests).toBeLessThanOrEqual(requests);
  const warm = await timed(() => querier.runLeaf(ask(endNs)));
  expect(warm).toMatchObject({ ms: 0, requests: 0 });
  // A near store is asked as before, and the answer is the same.
  const near = await world(false);
  const { answer } = await near.timed(() => near.querier.runLeaf(ask(endNs)));
  expect({ ...answer, stats: undefined }).toEqual({ ...cold.answer, stats: undefined });
});

test.each(['backward', 'forward'] as const)(
  'the best lines of all partitions are returned (%s)',
  async (direction) => {
    const { querier, timed, endNs } = await world();
    const { answer } = await timed(() => querier.runLeaf(lines('{app=~".+"}', endNs, direction)));
    const seconds = answer.kind === 'log' ? Array.from(answer.timestampNs, (ns) => Number(ns / second)) : [];
    const last = Number(endNs / second) - 1;
    const best = Array.from({ length: 100 }, (_, i) => (direction === 'backward' ? last - i : 1 + i));
    expect(seconds).toEqual(best);
  },
);

test('a segment that is scanned at once is not opened by another task, which would start a thread for nothing', async () => {
  const { querier, timed, endNs, tasks } = await distantWorld(
    2,
    slowReads(() => tripMs),
  );
  await timed(() => querier.runLeaf(lines('{app=~".+"}', endNs)));
  await timed(() => querier.runLeaf(count('sum(count_over_time({app=~".+"} |= "error" [10m]))', endNs)));
  expect(tasks).toEqual(Array.from({ length: 4 }, () => 'engine.leaves'));
});

test('labels', async () => {
  const { querier, timed, endNs } = await world();
  const request = { tenant, selector: '', startNs: 0n, endNs };
  const { answer, ms, requests } = await timed(() => querier.streams(request));
  expect(answer.length).toBe(8);
  expect(ms).toBeLessThanOrEqual(2 * tripMs);
  expect(requests).toBe(segments);
});
