/**
 * Streams with a bound of their own. At about 70 bytes each: 14 MB for a partition, which a healthy one does
 * not reach.
 */
const streamsMaxDefault = 200_000;

/**
 * The newest flushed row of each stream: later rows cannot be in the store and need no search there.
 * Streams without a bound of their own (flushed before this process started, or evicted) share
 * one, the `floor`: the newest row among all of them. A stream is identified by its hash: two streams with
 * one hash share the higher bound, which costs a search and no row.
 */
export class FlushedBounds {
  readonly #streams = new Map<number, number>();
  readonly #streamsMax: number;
  /**
   * Stays between evictions: an iterator that begins anew would step over the places of all evicted streams
   * each time, which took 5 s for 100,000 streams.
   */
  #oldest: Iterator<number> | undefined;
  #floorUs: number;

  /**
   * @param floorUs newest committed row of the partition when its consumption starts; -Infinity when there is
   *   none
   */
  constructor(floorUs: number, streamsMax = streamsMaxDefault) {
    this.#floorUs = floorUs;
    this.#streamsMax = streamsMax;
  }

  /** The newest committed row that a stream may have, in microseconds. */
  newestUs(streamHash: number): number {
    return this.#streams.get(streamHash) ?? this.#floorUs;
  }

  /** Rows of the stream up to `newestUs` have been committed. */
  raise(streamHash: number, newestUs: number): void {
    const before = this.#streams.get(streamHash) ?? this.#floorUs;
    this.#streams.delete(streamHash); // Keeps the map in order of the last use.
    this.#streams.set(streamHash, Math.max(before, newestUs));
    if (this.#streams.size <= this.#streamsMax) return;
    this.#oldest ??= this.#streams.keys();
    const { value: oldest } = this.#oldest.next() as IteratorYieldResult<number>;
    this.#floorUs = Math.max(this.#floorUs, this.#streams.get(oldest)!);
    this.#streams.delete(oldest);
  }

  /** Another owner committed rows up to `newestUs`, of unknown streams. */
  raiseAll(newestUs: number): void {
    this.#floorUs = Math.max(this.#floorUs, newestUs);
    for (const [streamHash, bound] of this.#streams) {
      if (bound < newestUs) this.#streams.delete(streamHash);
    }
  }
}
