/** The interface of the partial states of a sample leaf. */
import type { SeriesState } from '@loki/ports';

/**
 * Partial states of all series of a leaf. Their memory is charged to the query's budget before it is
 * allocated.
 */
export interface Accumulator {
  /** Whether `add` needs the rank of the sample's stream, which decides between equal times. */
  readonly usesRanks: boolean;
  /** A sample of `series` in `bucket`, at `time` (ns relative to the first step). */
  add(series: number, bucket: number, time: number, value: number, rank?: number): void;
  /** Adds `count` samples with the sum `sum` at once; only for additive operations. */
  addMany(series: number, bucket: number, count: number, sum: number): void;
  /**
   * The content of `SeriesState` without the labels. It may be called once for each series, because it
   * releases the data.
   */
  finish(series: number): Pick<SeriesState, 'columns' | 'samples'>;
}
