import type { RangeAggExpr } from '@loki/logql';
import type { Grid } from '../common/grid.ts';

/**
 * The windows of a query's steps, and which samples of one series they hold; made once, moved from series to
 * series.
 */
export class SampleWindows {
  readonly rangeNs: number;
  /**
   * When window k ends, nanoseconds from the first step, as samples have it. It covers (end - range, end].
   */
  readonly endNs: Float64Array;
  /** Window k holds the samples from[k] up to to[k] (exclusive); neither ever goes back. */
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

  /** @param times of samples that are in some window, ascending */
  moveTo(times: Float64Array): void {
    const { steps, endNs, rangeNs, from, to } = this;
    const count = times.length;
    // All that was kept is in the only window, however far away.
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

  /** Window k holds what the one before it held. */
  isAsBefore(k: number): boolean {
    return k > 0 && this.from[k] === this.from[k - 1] && this.to[k] === this.to[k - 1];
  }
}
