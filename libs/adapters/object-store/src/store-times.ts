/** Measures the duration of recent reads of an object store. */

const samplesMax = 128;
/** Assumed duration before the first reads: between a near and a distant bucket. */
const unknownMs = 50;
/**
 * Lower bound of the results, in milliseconds: shorter times belong to a store in the same rack, and are
 * noise.
 */
const leastMs = 5;

/**
 * Times of the last reads. O(1) a read; sorted at a query, at most once every `samplesMax` / 8 reads.
 */
export class StoreTimes {
  readonly #samples: number[] = [];
  #next = 0;
  #medianMs = unknownMs;
  #lateMs = 4 * unknownMs;

  add(elapsedMs: number): void {
    this.#samples[this.#next % samplesMax] = elapsedMs;
    this.#next++;
    if (this.#next % (samplesMax / 8) !== 0) return;
    const sorted = [...this.#samples].sort((a, b) => a - b);
    this.#medianMs = Math.max(leastMs, sorted[sorted.length >> 1]);
    this.#lateMs = Math.max(2 * leastMs, sorted[Math.floor(sorted.length * 0.95)]);
  }

  /** The median duration. */
  get medianMs(): number {
    return this.#medianMs;
  }

  /** The 95th percentile. */
  get lateMs(): number {
    return this.#lateMs;
  }
}
