import type { StepGrid } from './step-grid.ts';

/** How partial states merge: `from` (later) into `into`. Column 0 is the count; 0 makes the rest meaningless. */
export interface WindowMerge {
  readonly merge: (
    into: readonly Float64Array[],
    at: number,
    from: readonly Float64Array[],
    index: number,
  ) => void;
}

/**
 * Puts windows together from buckets: O(buckets + steps) merges, however much the windows overlap, and nothing is ever
 * taken away again, so that sums of floats do not decay.
 *
 * Two stacks: the older buckets of the window as merged suffixes, the newer ones as one running merge.
 *
 * @param buckets one column or more of grid.bucketCount values; changed
 * @returns as many columns of grid.steps values
 */
export function slideWindows(
  grid: StepGrid,
  buckets: readonly Float64Array[],
  { merge }: WindowMerge,
): Float64Array[] {
  const { first, last } = grid.windows();
  const windows = buckets.map(() => new Float64Array(grid.steps));
  const suffix = buckets.map((column) => new Float64Array(column.length + 1));
  const newer = buckets.map(() => new Float64Array(1));
  // Suffixes hold buckets up to `turn` (exclusive); `newer` holds turn .. next.
  let turn = 0;
  let next = 0;
  for (let k = 0; k < grid.steps; k++) {
    if (first[k] >= turn) {
      turn = last[k] + 1;
      next = Math.max(turn, first[k]);
      clear(suffix, turn);
      for (let i = turn - 1; i >= first[k]; i--) {
        copyState(buckets, i, suffix, i);
        merge(suffix, i, suffix, i + 1);
      }
      clear(newer, 0);
    }
    for (; next <= last[k]; next++) merge(newer, 0, buckets, next);
    if (first[k] < turn) copyState(suffix, first[k], windows, k);
    merge(windows, k, newer, 0);
  }
  return windows;
}

function clear(columns: readonly Float64Array[], at: number): void {
  for (const column of columns) column[at] = 0;
}

function copyState(
  from: readonly Float64Array[],
  index: number,
  into: readonly Float64Array[],
  at: number,
): void {
  for (let c = 0; c < from.length; c++) into[c][at] = from[c][index];
}
