/** Estimated memory of leaf results. */
import type { LeafResult } from '@loki/ports';
import { labelSetBytes, seriesBytes } from '../common/memory-budget.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';

/** Bytes of timestamp, label set and line end. */
const logRowBytes = 16;

/**
 * Approximate memory of a result in bytes, for memory budgets: labels, lines and row columns. O(series or
 * label sets), in slices.
 */
export function* resultBytes(result: LeafResult): Work<number> {
  if (result.kind === 'samples') return yield* bytesOfAll(result.series, seriesBytes);
  const sets = yield* bytesOfAll(result.labelSets, labelSetBytes);
  return sets + result.lines.byteLength + result.timestampNs.length * logRowBytes;
}

/** Sums the bytes of many items in slices: there may be a hundred thousand, each with labels to count. */
export function* bytesOfAll<T>(items: readonly T[], bytesOf: (item: T) => number): Work<number> {
  let bytes = 0;
  for (let i = 0; i < items.length; i++) {
    bytes += bytesOf(items[i]);
    if (i % itemsPerSlice === itemsPerSlice - 1) yield;
  }
  return bytes;
}
