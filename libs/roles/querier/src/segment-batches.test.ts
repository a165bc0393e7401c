/** Protects the cost of queries over many segments: one message for the segments of a thread. */
import type { SegmentRef } from '@loki/catalog';
import { parseTenantId } from '@loki/model';
import type { LeafRequest } from '@loki/ports';
import { segmentBatches } from './segment-batches.ts';
import { segment } from './test/segment.ts';

const segments = Array.from({ length: 20 }, (_, i): SegmentRef => ({ ...segment, key: `segments/0/${i}` }));
const threadOf = ({ key }: SegmentRef) => Number(key.split('/')[2]) % 2;

function samples(expr: string): LeafRequest {
  return {
    kind: 'samples',
    tenant: parseTenantId('acme'),
    expr,
    startNs: 0n,
    endNs: 0n,
    stepNs: 0n,
    seriesMax: 0,
  };
}

test.each([
  ['whole numbers merge in the worker', 'rate({a="b"}[1m])', 8, false],
  ['filters read lines', 'sum by (app) (count_over_time({a="b"} |= "x" [1m]))', 2, false],
  ['sums of numbers merge in order', 'sum_over_time({a="b"} | json | unwrap v [1m])', 2, true],
])('%s: %s', (_, expr, segmentsMax, isEachAlone) => {
  const batches = segmentBatches(samples(expr), segments, threadOf);
  expect(batches).toHaveLength(2 * Math.ceil(10 / segmentsMax));
  for (const { segments: some, parts } of batches) {
    expect(new Set(some.map(threadOf)).size).toBe(1);
    expect(some.length).toBeLessThanOrEqual(segmentsMax);
    expect(parts).toHaveLength(isEachAlone ? some.length : 1);
  }
  // Each segment once, and a number for each result.
  expect(
    batches
      .flatMap((batch) => batch.segments)
      .map(({ key }) => key)
      .sort(),
  ).toEqual(segments.map(({ key }) => key).sort());
  const parts = batches.flatMap((batch) => batch.parts).sort((a, b) => a - b);
  expect(parts).toEqual(parts.map((_part, i) => i));
});
