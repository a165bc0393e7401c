import type { SeriesState } from '@loki/ports';

/**
 * Partial states of all series of a leaf. Their memory is charged to the query's budget before it is taken.
 */
export interface Accumulator {
  /** Whether `add` is to be told the rank of the sample's stream: among equal times it decides. */
  readonly usesRanks: boolean;
  /** A sample of `series` in `bucket`, at `time` (ns relative to the first step). */
  add(series: number, bucket: number, time: number, value: number, rank?: number): void;
  /** `count` samples at once whose values add up to `sum`; only for operations that add. */
  addMany(series: number, bucket: number, count: number, sum: number): void;
  /** The content of `SeriesState` besides the labels. Once for each series: its source is given up. */
  finish(series: number): Pick<SeriesState, 'columns' | 'samples'>;
}
