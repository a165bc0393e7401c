/** Kinds of answers that are kept; each may have a cache of its own. */
export type ResultsKind = 'results' | 'instant' | 'labels' | 'series' | 'stats' | 'volume';

/** Answers that a querier may take from a cache, and keep there. */
export interface CachePolicy {
  readonly kind: ResultsKind;
  /** Kept by intervals that begin at multiples of this. */
  readonly splitNs: bigint;
  /** Rows at or after this time are not kept: they still change too often to be worth it. */
  readonly newestNs: bigint;
}

/**
 * Bytes by key, for a while. Never the truth: a value may vanish at any time, and a reader checks what it
 * gets. Keys name all that a value depends on, so that no value ever has to be taken back.
 */
export interface ResultsCache {
  /**
   * Values in the order of the keys, undefined where there is none. Never rejects: what fails, or is late, is
   * not there.
   */
  get(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** Keeps what fits. Returns at once; what cannot be kept is not. */
  put(entries: readonly { readonly key: string; readonly value: Uint8Array }[]): void;
  close(): Promise<void>;
}
