/**
 * Maps timestamps to the steps that count them. Step k is at t = startNs + k × stepNs and covers the window
 * (t - offset - range, t - offset].
 *
 * Starts and ends of windows cut time into buckets, at most two for each step; all samples of a bucket belong
 * to the same windows. Samples are added to buckets, and windows are assembled from buckets at the end, so
 * the cost of a sample does not depend on the number of windows that cover it. If windows do not overlap,
 * buckets are windows.
 */
export class StepGrid {
  readonly steps: number;
  /** Buckets are windows: bucket k is step k. */
  readonly isDirect: boolean;
  readonly bucketCount: number;
  /** Distance between two steps in ns. */
  readonly #stepNs: number;
  readonly #rangeNs: number;
  readonly #offsetNs: bigint;
  readonly #startNs: bigint;
  readonly #wideRangeNs: bigint;
  /** End and start of the first window, relative to the base of the current block. */
  #firstEnd = 0;
  #firstStart = 0;
  /** Nanoseconds from startNs to the block's base. */
  #baseRelative = 0;
  /** The bucket of the last lookup, and its bounds (low, high] relative to the block's base. */
  #bucket = -1;
  #low = Infinity;
  #high = -Infinity;

  constructor(options: {
    startNs: bigint;
    stepNs: bigint;
    steps: number;
    rangeNs: bigint;
    offsetNs: bigint;
  }) {
    this.steps = options.steps;
    this.#startNs = options.startNs;
    this.#wideRangeNs = options.rangeNs;
    this.#rangeNs = Number(options.rangeNs);
    // A single step has no distance to a next one; any value works.
    this.#stepNs = options.steps > 1 ? Number(options.stepNs) : Number.MAX_SAFE_INTEGER;
    this.#offsetNs = options.offsetNs;
    this.isDirect = options.steps === 1 || options.rangeNs <= options.stepNs;
    this.bucketCount = this.isDirect ? options.steps : 2 * options.steps;
  }

  /** Bounds of all windows, Unix ns, inclusive. */
  get bounds(): { fromNs: bigint; toNs: bigint } {
    const first = this.#startNs - this.#offsetNs;
    const last = this.steps > 1 ? BigInt(this.#stepNs) * BigInt(this.steps - 1) : 0n;
    return { fromNs: first - this.#wideRangeNs + 1n, toNs: first + last };
  }

  startBlock(baseNs: bigint): void {
    this.#firstEnd = Number(this.#startNs - this.#offsetNs - baseNs);
    this.#firstStart = Number(this.#startNs - this.#offsetNs - this.#wideRangeNs - baseNs);
    this.#baseRelative = Number(baseNs - this.#startNs);
    this.#low = Infinity;
    this.#high = -Infinity;
  }

  /** A timestamp of the block, relative to the first step. */
  relative(ts: number): number {
    return this.#baseRelative + ts;
  }

  /** Bucket of a timestamp relative to the block's base; -1 when no window covers it. */
  bucketOf(ts: number): number {
    if (ts > this.#low && ts <= this.#high) return this.#bucket;
    return this.#locate(ts);
  }

  /** Last timestamp of the bucket that `bucketOf` returned last. */
  get bucketEnd(): number {
    return this.#high;
  }

  #locate(ts: number): number {
    const step = this.#stepNs;
    const { steps } = this;
    // Numbers of windows that end before ts and that start before it.
    const endedCount = clamp(ceilDivide(ts - this.#firstEnd, step), steps);
    const startedCount = clamp(ceilDivide(ts - this.#firstStart, step), steps);
    this.#low = Math.max(
      endedCount > 0 ? this.#firstEnd + (endedCount - 1) * step : -Infinity,
      startedCount > 0 ? this.#firstStart + (startedCount - 1) * step : -Infinity,
    );
    this.#high = Math.min(
      endedCount < steps ? this.#firstEnd + endedCount * step : Infinity,
      startedCount < steps ? this.#firstStart + startedCount * step : Infinity,
    );
    if (startedCount === endedCount) this.#bucket = -1;
    else this.#bucket = this.isDirect ? endedCount : endedCount + startedCount - 1;
    return this.#bucket;
  }

  /**
   * First and last bucket of each window, if buckets are not windows. An empty window has a last bucket below
   * its first.
   */
  windows(): { first: Int32Array; last: Int32Array } {
    const { steps } = this;
    const first = new Int32Array(steps);
    const last = new Int32Array(steps);
    for (let k = 0; k < steps; k++) {
      // Just after the window's start k + 1 windows have started, and those have ended whose end is at or
      // before it.
      const endedCount = clamp(Math.floor((k * this.#stepNs - this.#rangeNs) / this.#stepNs) + 1, steps);
      first[k] = endedCount + k;
      // At the window's end k windows have ended, and those have started that begin before it.
      const started = clamp(Math.ceil((k * this.#stepNs + this.#rangeNs) / this.#stepNs), steps);
      last[k] = k + started - 1;
    }
    return { first, last };
  }
}

function clamp(value: number, max: number): number {
  return value <= 0 ? 0 : value >= max ? max : value;
}

/** Divides and rounds up, exactly; a rounded quotient alone would be wrong. */
function ceilDivide(value: number, by: number): number {
  let quotient = Math.floor(value / by);
  let remainder = value - quotient * by;
  if (remainder < 0) {
    quotient--;
    remainder += by;
  } else if (remainder >= by) {
    quotient++;
    remainder -= by;
  }
  return remainder > 0 ? quotient + 1 : quotient;
}
