/** Metrics of a results cache: step *recall* of a query. */
import type { Clock, ResultsCache } from '@loki/ports';
import { cacheMetrics } from './cache-metrics.ts';
import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** Wraps a cache: calls are counted under Loki's names. */
export function measuredResultsCache(
  cache: ResultsCache,
  metrics: Metrics,
  { name, clock }: { readonly name: string; readonly clock: Clock },
): ResultsCache {
  const lookups = cacheMetrics(metrics, name);
  const duration = metrics.histogram(
    'loki_cache_request_duration_seconds',
    'Time of cache calls.',
    exponentialBuckets(0.000016, 4, 8),
    ['method', 'name', 'status_code'],
  );
  const sizes = metrics.histogram(
    'loki_cache_value_size_bytes',
    'Sizes of values in the cache.',
    exponentialBuckets(1024, 4, 7),
    ['method', 'name'],
  );
  return {
    async get(keys) {
      const startedMs = clock.monotonicMs();
      const values = await cache.get(keys);
      duration.observe(
        { method: `${name}.fetch`, name, status_code: '200' },
        (clock.monotonicMs() - startedMs) / 1000,
      );
      let hits = 0;
      for (const value of values) {
        if (!value) continue;
        hits++;
        sizes.observe({ method: 'hit', name }, value.length);
      }
      lookups.countLookups(hits, keys.length - hits);
      return values;
    },
    put(entries) {
      for (const { value } of entries) sizes.observe({ method: 'store', name }, value.length);
      cache.put(entries);
    },
    close: () => cache.close(),
  };
}
