/**
 * Which steps a timestamp counts for. Step k stands at startNs + k × stepNs and covers the window
 * (t - offset - range, t - offset].
 *
 * Window starts and ends cut time into buckets, at most two for each step; all samples of a bucket belong to
 * the same windows. Samples are added up by bucket, and windows are put together from buckets at the end, so
 * that a sample costs the same whether one window covers it or a thousand do. Where no two windows overlap,
 * buckets are windows.
 */
export class StepGrid {
  readonly steps: number;
  /** Buckets are windows: bucket k is step k. */
  readonly isDirect: boolean;
  readonly bucketCount: number;
  /** Everything before this is in no window; ns relative to startNs. */
  readonly #stepNs: number;
  readonly #rangeNs: number;
  readonly #offsetNs: bigint;
  readonly #startNs: bigint;
  readonly #wideRangeNs: bigint;
  /** Of the block at hand: the first window's end and start, relative to the block's base. */
  #firstEnd = 0;
  #firstStart = 0;
  /** Nanoseconds from startNs to the block's base. */
  #baseRelative = 0;
  /** The bucket found last, and its bounds (low, high] relative to the block's base. */
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
    // One step alone has no distance to the next; any will do.
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

  /** Last timestamp of the bucket that `bucketOf` found last. */
  get bucketEnd(): number {
    return this.#high;
  }

  #locate(ts: number): number {
    const step = this.#stepNs;
    const { steps } = this;
    // How many windows end before ts, and how many start before it.
    const ended = clamp(ceilDivide(ts - this.#firstEnd, step), steps);
    const started = clamp(ceilDivide(ts - this.#firstStart, step), steps);
    this.#low = Math.max(
      ended > 0 ? this.#firstEnd + (ended - 1) * step : -Infinity,
      started > 0 ? this.#firstStart + (started - 1) * step : -Infinity,
    );
    this.#high = Math.min(
      ended < steps ? this.#firstEnd + ended * step : Infinity,
      started < steps ? this.#firstStart + started * step : Infinity,
    );
    if (started === ended) this.#bucket = -1;
    else this.#bucket = this.isDirect ? ended : ended + started - 1;
    return this.#bucket;
  }

  /**
   * First and last bucket of each window, when buckets are not windows. The last may be below the first: an
   * empty one.
   */
  windows(): { first: Int32Array; last: Int32Array } {
    const { steps } = this;
    const first = new Int32Array(steps);
    const last = new Int32Array(steps);
    for (let k = 0; k < steps; k++) {
      // Just behind the window's start: k + 1 windows have started, and those have ended whose end is at or
      // before it.
      const ended = clamp(Math.floor((k * this.#stepNs - this.#rangeNs) / this.#stepNs) + 1, steps);
      first[k] = ended + k;
      // At its end: k have ended, and those have started that begin before it.
      const started = clamp(Math.ceil((k * this.#stepNs + this.#rangeNs) / this.#stepNs), steps);
      last[k] = k + started - 1;
    }
    return { first, last };
  }
}

function clamp(value: number, max: number): number {
  return value <= 0 ? 0 : value >= max ? max : value;
}

/** Exact, where the quotient alone would be rounded. */
function ceilDivide(value: number, by: number): number {
  let quotient = Math.floor(value / by);
  let rest = value - quotient * by;
  if (rest < 0) {
    quotient--;
    rest += by;
  } else if (rest >= by) {
    quotient++;
    rest -= by;
  }
  return rest > 0 ? quotient + 1 : quotient;
}
