/**
 * A cache of at most `entriesMax` entries, for values that cost more to compute than to keep. The latest half
 * of the entries is always present: entries live in two generations, a read moves an entry into the young
 * generation, and when the young generation reaches half of the bound the old one is dropped. A hit in the
 * young generation costs one Map lookup.
 */
export class BoundedMap<K, V> {
  readonly #generationMax: number;
  readonly #weightOf: ((key: K, value: V) => number) | undefined;
  readonly #generationWeightMax: number;
  #youngWeight = 0;
  #young = new Map<K, V>();
  #old: Map<K, V> | undefined;

  /**
   * @param entriesMax at least 2
   * @param bound on the weight of all entries, for entries of unlike sizes; one that alone weighs more than
   *   half of it is present until the next one comes
   */
  constructor(entriesMax: number, bound?: { weightMax: number; weightOf: (key: K, value: V) => number }) {
    this.#generationMax = Math.max(1, entriesMax >> 1);
    this.#generationWeightMax = (bound?.weightMax ?? 0) / 2;
    this.#weightOf = bound?.weightOf;
  }

  /** undefined: no such entry. A stored undefined counts as absent. */
  get(key: K): V | undefined {
    const value = this.#young.get(key);
    if (value !== undefined || this.#old === undefined) return value;
    const oldValue = this.#old.get(key);
    if (oldValue !== undefined) this.set(key, oldValue);
    return oldValue;
  }

  set(key: K, value: V): void {
    const weight = this.#weightOf?.(key, value) ?? 0;
    const isFull =
      this.#young.size >= this.#generationMax ||
      (weight > 0 && this.#youngWeight + weight > this.#generationWeightMax);
    if (isFull && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngWeight = 0;
    }
    this.#youngWeight += weight;
    // The old generation may hold an older value of the key: the young one is read first and outlives it.
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
