/** Results in the memory of one querier: step *recall* of a query. */
import type { Clock, ResultsCache } from '@loki/ports';

interface CacheEvents {
  added(): void;
  evicted(reason: 'full' | 'expired' | 'replaced'): void;
  resized(entries: number, bytes: number): void;
}

interface MemoryResultsCacheOptions {
  readonly clock: Clock;
  /** Bytes of keys and values, with the overhead of each entry. */
  readonly bytesMax: number;
  /** 0: bounded by bytes alone. */
  readonly itemsMax?: number;
  readonly ttlMs: number;
  readonly events?: CacheEvents;
}

interface Entry {
  readonly value: Uint8Array;
  readonly weight: number;
  readonly untilMs: number;
}

/** The map's entry, the value's header, and the key as a string object. */
const entryBytes = 200;
/** Largest share of one value: a larger one would evict too many others. */
const valueShare = 1 / 8;

/** Evicts the least recently used. */
export class MemoryResultsCache implements ResultsCache {
  readonly #options: MemoryResultsCacheOptions;
  /** From the least to the most recently used. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(options: MemoryResultsCacheOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  async get(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const nowMs = this.#options.clock.monotonicMs();
    return Promise.resolve(keys.map((key) => this.#get(key, nowMs)));
  }

  put(entries: readonly { readonly key: string; readonly value: Uint8Array }[]): void {
    const { clock, bytesMax, itemsMax = 0, ttlMs, events } = this.#options;
    const untilMs = clock.monotonicMs() + ttlMs;
    for (const { key, value } of entries) {
      // Strings of such keys take a byte for each character.
      const weight = value.length + key.length + entryBytes;
      if (weight > bytesMax * valueShare) continue;
      const isNew = !this.#remove(key);
      // A view of a larger buffer would keep all of it.
      const copy = value.length === value.buffer.byteLength ? value : Uint8Array.from(value);
      this.#entries.set(key, { value: copy, weight, untilMs });
      this.#bytes += weight;
      if (isNew) events?.added();
      else events?.evicted('replaced');
    }
    for (const key of this.#entries.keys()) {
      if (this.#bytes <= bytesMax && (itemsMax <= 0 || this.#entries.size <= itemsMax)) break;
      this.#remove(key);
      events?.evicted('full');
    }
    events?.resized(this.#entries.size, this.#bytes);
  }

  async close(): Promise<void> {
    this.#entries.clear();
    this.#bytes = 0;
    return Promise.resolve();
  }

  #get(key: string, nowMs: number): Uint8Array | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#remove(key);
    if (entry.untilMs <= nowMs) {
      this.#options.events?.evicted('expired');
      return undefined;
    }
    this.#entries.set(key, entry);
    this.#bytes += entry.weight;
    return entry.value;
  }

  #remove(key: string): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    this.#entries.delete(key);
    this.#bytes -= entry.weight;
    return true;
  }
}
