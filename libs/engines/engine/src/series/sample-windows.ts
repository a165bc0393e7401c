/** The windows of a query's steps over the samples of one series. */
import type { RangeAggExpr } from '@loki/logql';
import type { Grid } from '../common/grid.ts';

/**
 * The windows of a query's steps with their samples of one series. It is built once and moved from series to
 * series.
 */
export class SampleWindows {
  readonly rangeNs: number;
  /**
   * End of window k, nanoseconds from the first step like times of samples. The window covers (end - range,
   * end].
   */
  readonly endNs: Float64Array;
  /** Window k has the samples from[k] up to to[k] (exclusive); both are ascending. */
  readonly from: Uint32Array;
  readonly to: Uint32Array;

  constructor({ rangeNs, offsetNs }: RangeAggExpr, { steps, stepNs }: Grid) {
    this.rangeNs = Number(rangeNs);
    this.endNs = Float64Array.from({ length: steps }, (_, k) => Number(BigInt(k) * stepNs - offsetNs));
    this.from = new Uint32Array(steps);
    this.to = new Uint32Array(steps);
  }

  get steps(): number {
    return this.endNs.length;
  }

  /** @param times times of samples that are in some window, ascending */
  moveTo(times: Float64Array): void {
    const { steps, endNs, rangeNs, from, to } = this;
    const count = times.length;
    // All samples are in the only window.
    if (steps === 1) {
      to[0] = count;
      return;
    }
    let low = 0;
    let high = 0;
    for (let k = 0; k < steps; k++) {
      const end = endNs[k];
      while (low < count && times[low] <= end - rangeNs) low++;
      high = Math.max(low, high);
      while (high < count && times[high] <= end) high++;
      from[k] = low;
      to[k] = high;
    }
  }

  isEmpty(k: number): boolean {
    return this.from[k] === this.to[k];
  }

  /** Whether window k has the same samples as its predecessor. */
  isAsBefore(k: number): boolean {
    return k > 0 && this.from[k] === this.from[k - 1] && this.to[k] === this.to[k - 1];
  }
}
