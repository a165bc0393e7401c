/**
 * Values up to a bound of bytes, most recently used last. The value that was asked for last stays, whatever
 * it weighs.
 */
export class WeighedCache<V> {
  readonly #bytesMax: number;
  readonly #weigh: (value: V) => number;
  readonly #held = new Map<string, { readonly value: V; bytes: number }>();
  #bytes = 0;
  #lastKey = '';

  constructor(bytesMax: number, weigh: (value: V) => number) {
    this.#bytesMax = bytesMax;
    this.#weigh = weigh;
  }

  get(key: string): V | undefined {
    const held = this.#held.get(key);
    if (held) this.#use(key, held);
    return held?.value;
  }

  set(key: string, value: V): void {
    this.#use(key, { value, bytes: 0 });
  }

  /** Forgets all values whose keys begin so. */
  deleteAll(prefix: string): void {
    for (const [key, { bytes }] of this.#held) {
      if (!key.startsWith(prefix)) continue;
      this.#bytes -= bytes;
      this.#held.delete(key);
    }
  }

  #use(key: string, held: { readonly value: V; bytes: number }): void {
    // Values grow while they are used: the one before is done with.
    this.#reweigh(this.#lastKey);
    this.#held.delete(key);
    this.#held.set(key, held);
    this.#lastKey = key;
    this.#reweigh(key);
    for (const [oldest, { bytes }] of this.#held) {
      if (this.#bytes <= this.#bytesMax || this.#held.size === 1) return;
      this.#bytes -= bytes;
      this.#held.delete(oldest);
    }
  }

  #reweigh(key: string): void {
    const held = this.#held.get(key);
    if (!held) return;
    const bytes = this.#weigh(held.value);
    this.#bytes += bytes - held.bytes;
    held.bytes = bytes;
  }
}
