/**
 * Values up to a bound of bytes, most recently used last. The value of the last request stays, however large
 * it is.
 */
export class WeighedCache<V> {
  readonly #bytesMax: number;
  readonly #weigh: (value: V) => number;
  readonly #entries = new Map<string, { readonly value: V; bytes: number }>();
  #bytes = 0;
  #lastKey = '';

  constructor(bytesMax: number, weigh: (value: V) => number) {
    this.#bytesMax = bytesMax;
    this.#weigh = weigh;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry) this.#use(key, entry);
    return entry?.value;
  }

  set(key: string, value: V): void {
    this.#use(key, { value, bytes: 0 });
  }

  /** Removes all values whose keys have this prefix. */
  deleteAll(prefix: string): void {
    for (const [key, { bytes }] of this.#entries) {
      if (!key.startsWith(prefix)) continue;
      this.#bytes -= bytes;
      this.#entries.delete(key);
    }
  }

  #use(key: string, entry: { readonly value: V; bytes: number }): void {
    // Values grow while they are used: the previous one has its final size now.
    this.#reweigh(this.#lastKey);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#lastKey = key;
    this.#reweigh(key);
    for (const [oldest, { bytes }] of this.#entries) {
      if (this.#bytes <= this.#bytesMax || this.#entries.size === 1) return;
      this.#bytes -= bytes;
      this.#entries.delete(oldest);
    }
  }

  #reweigh(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    const bytes = this.#weigh(entry.value);
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
  }
}
