/** Metrics of caches: step *recall* of a query, and the cache of decoded blocks. */
import type { Metrics } from './metrics.ts';

interface CacheMetrics {
  countLookups(hits: number, misses: number): void;
  added(): void;
  evicted(reason: string): void;
  resized(entries: number, bytes: number): void;
}

/** The metrics of one named cache in this process (results, blocks), under Loki's names. */
export function cacheMetrics(metrics: Metrics, name: string): CacheMetrics {
  const fetched = metrics.counter('loki_cache_fetched_keys', 'Cache lookups.', ['name']);
  const hits = metrics.counter('loki_cache_hits', 'Cache lookups that found a value.', ['name']);
  const added = metrics.counter('loki_embeddedcache_added_new_total', 'Entries added to a cache.', ['cache']);
  const evicted = metrics.counter(
    'loki_embeddedcache_evicted_total',
    'Entries evicted from a cache, by reason.',
    ['cache', 'reason'],
  );
  const entries = metrics.gauge('loki_embeddedcache_entries', 'Entries in a cache.', ['cache']);
  const bytes = metrics.gauge('loki_embeddedcache_memory_bytes', 'Memory of a cache in bytes.', ['cache']);
  return {
    countLookups(hitCount, missCount) {
      fetched.inc({ name }, hitCount + missCount);
      hits.inc({ name }, hitCount);
    },
    added: () => added.inc({ cache: name }),
    evicted: (reason) => evicted.inc({ cache: name, reason }),
    resized(entryCount, byteCount) {
      entries.set({ cache: name }, entryCount);
      bytes.set({ cache: name }, byteCount);
    },
  };
}
