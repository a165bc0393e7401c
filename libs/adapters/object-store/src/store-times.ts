/** How long reads of an object store take, as far as lately seen. */

const samplesMax = 128;
/** Before anything was read: between a bucket nearby and one that is not. */
const unknownMs = 50;
/** Shorter times are those of a store in the same rack, and of noise. */
const leastMs = 5;

/**
 * Times of the last reads. O(1) a read; sorted when they are asked for, once every `samplesMax` / 8 reads.
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

  /** Half of the reads take longer. */
  get medianMs(): number {
    return this.#medianMs;
  }

  /** One read in twenty takes longer. */
  get lateMs(): number {
    return this.#lateMs;
  }
}
