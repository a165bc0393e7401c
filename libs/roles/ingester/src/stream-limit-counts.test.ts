/** Protects: streams are counted exactly up to the limit, and idle ones make room. */
import { parseTenantId } from '@loki/model';
import type { Clock } from '@loki/ports';
import { StreamLimitCounts } from './stream-limit-counts.ts';

let nowMs = 0;
const clock: Clock = { nowMs: () => nowMs, nowNs: () => BigInt(nowMs), monotonicMs: () => nowMs };
const [t, u] = ['t', 'u'].map(parseTenantId);

async function claim(
  counts: StreamLimitCounts,
  tenant: typeof t,
  activeMax: number,
  wanted: number[],
  held: number[] = [],
) {
  const [admitted] = await counts.claim([
    { tenant, activeMax, activeStreams: Float64Array.from(held), newStreams: Float64Array.from(wanted) },
  ]);
  return [...admitted];
}

test('streams up to the limit are admitted, known ones always, held ones whatever the limit; tenants apart', async () => {
  const counts = new StreamLimitCounts(clock, { streamIdleMs: 60_000 });
  expect(await claim(counts, t, 2, [1, 2, 3, 1])).toEqual([1, 1, 0, 1]);
  expect(await claim(counts, u, 2, [3])).toEqual([1]);
  expect(await claim(counts, t, 2, [2, 4], [7, 8])).toEqual([1, 0]);
  expect(counts.activeStreams(t)).toBe(4);
  expect(await claim(counts, t, 5, [4, 5])).toEqual([1, 0]);
});

test('streams that nobody uses make room, and tenants without streams are forgotten', async () => {
  const counts = new StreamLimitCounts(clock, { streamIdleMs: 60_000 });
  expect(await claim(counts, t, 2, [1, 2])).toEqual([1, 1]);
  nowMs += 40_000;
  await claim(counts, t, 2, [], [1]);
  nowMs += 30_000;
  expect(await claim(counts, t, 2, [3, 4])).toEqual([1, 0]);
  expect(counts.activeStreams(t)).toBe(2);
  nowMs += 70_000;
  await claim(counts, u, 2, [1]);
  expect([counts.tenantCount, counts.activeStreams(t)]).toEqual([1, 0]);
});
