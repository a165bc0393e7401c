/** Measures the duration of recent reads of an object store: step *fetch* of a query. */

const samplesMax = 128;
/** Assumed duration before the first reads: between a near and a distant bucket. */
const unknownMs = 50;
/** Assumed rate before the first large reads: 5 MB/s. */
const unknownBytesPerMs = 5_000;
/**
 * Lower bound of the results, in milliseconds: shorter times belong to a store in the same rack, and are
 * noise.
 */
const leastMs = 5;
/** Reads of up to these bytes are alike; larger ones are another class. */
const classBytes = [256 << 10, 1 << 20, 4 << 20] as const;

/** Times of the last reads of about one size. O(1) a read; sorted once every `samplesMax` / 8 reads. */
class ReadTimes {
  readonly #samples: number[] = [];
  #next = 0;
  medianMs: number;
  lateMs: number;

  constructor(assumedMs: number) {
    this.medianMs = assumedMs;
    this.lateMs = 4 * assumedMs;
  }

  add(elapsedMs: number): void {
    this.#samples[this.#next % samplesMax] = elapsedMs;
    this.#next++;
    if (this.#next % (samplesMax / 8) !== 0) return;
    const sorted = [...this.#samples].sort((a, b) => a - b);
    this.medianMs = Math.max(leastMs, sorted[sorted.length >> 1]);
    this.lateMs = Math.max(2 * this.medianMs, sorted[Math.floor(sorted.length * 0.95)]);
  }
}

/**
 * Times of the last reads, by their size: eight megabytes over a narrow line are not late when a footer would
 * be.
 */
export class StoreTimes {
  readonly #bySize = [0, ...classBytes].map(
    (bytes) => new ReadTimes(unknownMs + (2 * bytes) / unknownBytesPerMs),
  );

  add(elapsedMs: number, bytes: number): void {
    this.#bySize[classOf(bytes)].add(elapsedMs);
  }

  /** The median duration of small reads. */
  get medianMs(): number {
    return this.#bySize[0].medianMs;
  }

  /**
   * Time after which a read of that many bytes is late: the 95th percentile, and twice the median at least,
   * as a second request takes the median again.
   */
  lateMs(bytes: number): number {
    return this.#bySize[classOf(bytes)].lateMs;
  }
}

function classOf(bytes: number): number {
  const at = classBytes.findIndex((most) => bytes <= most);
  return at < 0 ? classBytes.length : at;
}
