/**
 * Streams remembered one by one. At about 70 bytes each: 14 MB for a partition, reached by none that is
 * healthy.
 */
const streamsMaxDefault = 200_000;

/**
 * How far, in time, each stream has been flushed: rows above are surely not in the store and need no look
 * there. Streams that are not remembered (flushed before this process started, or forgotten for room) share
 * one bound, the `floor`: the newest row among all of them. A stream is known by its hash: two that share one
 * share the higher bound, which costs a look and no row.
 */
export class FlushedBounds {
  readonly #streams = new Map<number, number>();
  readonly #streamsMax: number;
  #floorUs: number;

  /**
   * @param floorUs newest committed row of the partition when its consumption starts; -Infinity when there is
   *   none
   */
  constructor(floorUs: number, streamsMax = streamsMaxDefault) {
    this.#floorUs = floorUs;
    this.#streamsMax = streamsMax;
  }

  /** The newest committed row a stream may have, in microseconds. */
  newestUs(streamHash: number): number {
    return this.#streams.get(streamHash) ?? this.#floorUs;
  }

  /** Rows of the stream up to `newestUs` have been committed. */
  raise(streamHash: number, newestUs: number): void {
    const before = this.#streams.get(streamHash) ?? this.#floorUs;
    this.#streams.delete(streamHash); // so that the map stays ordered by last use
    this.#streams.set(streamHash, Math.max(before, newestUs));
    if (this.#streams.size <= this.#streamsMax) return;
    const [oldest, bound] = this.#streams.entries().next().value!;
    this.#streams.delete(oldest);
    this.#floorUs = Math.max(this.#floorUs, bound);
  }

  /** Another owner committed rows up to `newestUs`, of streams we do not know. */
  raiseAll(newestUs: number): void {
    this.#floorUs = Math.max(this.#floorUs, newestUs);
    for (const [streamHash, bound] of this.#streams) {
      if (bound < newestUs) this.#streams.delete(streamHash);
    }
  }
}
