/**
 * A memory of at most `entriesMax` entries, for answers that cost more to make again than to remember. The
 * latest half of them stays for certain: entries live in two generations, a read takes an entry into the
 * young one, and when that is half of the bound the old one goes as a whole. A hit costs one look into a Map,
 * and nothing is moved for it.
 */
export class BoundedMap<K, V> {
  readonly #generationMax: number;
  #young = new Map<K, V>();
  #old: Map<K, V> | undefined;

  /** @param entriesMax at least 2 */
  constructor(entriesMax: number) {
    this.#generationMax = Math.max(1, entriesMax >> 1);
  }

  /** Values of undefined count as absent. */
  get(key: K): V | undefined {
    const value = this.#young.get(key);
    if (value !== undefined || this.#old === undefined) return value;
    const oldValue = this.#old.get(key);
    if (oldValue !== undefined) this.set(key, oldValue);
    return oldValue;
  }

  set(key: K, value: V): void {
    if (this.#young.size >= this.#generationMax && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    // An older value of the key may stay in the old generation: the young one is read first, and outlives it.
    this.#young.set(key, value);
  }

  delete(key: K): void {
    this.#young.delete(key);
    this.#old?.delete(key);
  }

  /** At most entriesMax; an entry in both generations counts twice. */
  get size(): number {
    return this.#young.size + (this.#old?.size ?? 0);
  }
}
