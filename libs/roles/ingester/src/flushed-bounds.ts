/**
 * Streams remembered one by one. At about 150 bytes each: 30 MB for a partition, reached by none that is
 * healthy.
 */
const streamsMaxDefault = 200_000;

/**
 * How far, in time, each stream has been flushed: rows above are surely not in the store and need no look
 * there. Streams that are not remembered (flushed before this process started, or forgotten for room) share
 * one bound, the `floor`: the newest row among all of them.
 */
export class FlushedBounds {
  readonly #streams = new Map<string, number>();
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
  newestUs(tenant: string, streamText: string): number {
    return this.#streams.get(keyOf(tenant, streamText)) ?? this.#floorUs;
  }

  /** Rows of the stream up to `newestUs` have been committed. */
  raise(tenant: string, streamText: string, newestUs: number): void {
    const key = keyOf(tenant, streamText);
    const before = this.#streams.get(key) ?? this.#floorUs;
    this.#streams.delete(key); // so that the map stays ordered by last use
    this.#streams.set(key, Math.max(before, newestUs));
    if (this.#streams.size <= this.#streamsMax) return;
    const [oldest, bound] = this.#streams.entries().next().value!;
    this.#streams.delete(oldest);
    this.#floorUs = Math.max(this.#floorUs, bound);
  }

  /** Another owner committed rows up to `newestUs`, of streams we do not know. */
  raiseAll(newestUs: number): void {
    this.#floorUs = Math.max(this.#floorUs, newestUs);
    for (const [key, bound] of this.#streams) {
      if (bound < newestUs) this.#streams.delete(key);
    }
  }
}

/** Tenant ids hold no `{`, and a labels text starts with it: no two pairs share a key. */
function keyOf(tenant: string, streamText: string): string {
  return tenant + streamText;
}
