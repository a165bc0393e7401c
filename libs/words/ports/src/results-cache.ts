/** Port: the results cache, step *recall* of a query. */

/** Kinds of cached answers; each kind may have a cache of its own. */
export type ResultsKind = 'results' | 'instant' | 'labels' | 'series' | 'stats' | 'volume';

/** The answers that a querier may read from a cache and write to it. */
export interface CachePolicy {
  readonly kind: ResultsKind;
  /** Answers are cached by intervals that begin at multiples of this. */
  readonly splitNs: bigint;
  /** Rows at or after this time are not cached: they still change too often. */
  readonly newestNs: bigint;
}

/**
 * Bytes by key, for a limited time. A value may vanish at any time, and readers verify each value. A key
 * names everything that its value depends on, so values never need to be invalidated.
 */
export interface ResultsCache {
  /**
   * Values in the order of the keys, undefined where there is none. Never rejects: a failed or late lookup
   * counts as absent.
   */
  get(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** Stores entries if the cache has room. Returns at once; failures are ignored. */
  put(entries: readonly { readonly key: string; readonly value: Uint8Array }[]): void;
  close(): Promise<void>;
}
