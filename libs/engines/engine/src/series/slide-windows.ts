import type { StepGrid } from '../common/step-grid.ts';

/**
 * How partial states merge: `from` (later) into `into`. Column 0 is the count; 0 makes the rest meaningless.
 */
export interface WindowMerge {
  readonly merge: (
    into: readonly Float64Array[],
    at: number,
    from: readonly Float64Array[],
    index: number,
  ) => void;
}

/**
 * Puts windows together from buckets: O(buckets + steps) merges, however much the windows overlap, and
 * nothing is ever taken away again, so that sums of floats do not decay.
 *
 * Two stacks: the older buckets of the window as merged suffixes, the newer ones as one running merge.
 *
 * @param buckets one column or more of grid.bucketCount values; changed
 * @param windows as many columns of grid.steps zeros, which are filled in
 * @param scratch `windowScratch` of the grid, for as many columns; used by one call after the other
 */
export function slideWindows(
  grid: StepGrid,
  buckets: readonly Float64Array[],
  { merge }: WindowMerge,
  windows: readonly Float64Array[],
  { first, last, suffix, newer }: WindowScratch,
): void {
  clear(newer, 0);
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
}

/** Buffers of sliding besides its input and its output; the same for all series of a grid. */
export interface WindowScratch {
  readonly first: Int32Array;
  readonly last: Int32Array;
  readonly suffix: readonly Float64Array[];
  readonly newer: readonly Float64Array[];
}

export function windowScratch(grid: StepGrid, columns: number): WindowScratch {
  const column = (length: number) => Array.from({ length: columns }, () => new Float64Array(length));
  return { ...grid.windows(), suffix: column(grid.bucketCount + 1), newer: column(1) };
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
