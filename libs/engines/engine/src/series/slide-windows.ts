/** Assembles windows from buckets in linear time. */
import type { StepGrid } from '../common/step-grid.ts';

/**
 * Merges partial states: `from` (later) into `into`. Column 0 is the count; with 0 the other columns are
 * undefined.
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
 * Assembles windows from buckets by O(buckets + steps) merges, regardless of their overlap. Nothing is ever
 * subtracted, so sums of floats do not lose precision.
 *
 * It uses two stacks: the older buckets of the window as merged suffixes, the newer ones as one running
 * merge.
 *
 * @param buckets columns of grid.bucketCount values; they are modified
 * @param windows as many columns of grid.steps zeros, which receive the result
 * @param scratch `windowScratch` of the grid for as many columns; calls reuse it one after another
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

/** Scratch buffers of `slideWindows`, reused for all series of a grid. */
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
