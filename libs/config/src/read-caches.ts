import type { CacheConfig, CachedResults } from './config.ts';
import { readRedis } from './read-ring.ts';
import type { Settings } from './settings.ts';

/** Switch and block of each kind. */
const kinds: Readonly<Record<CachedResults, { readonly enabled: string; readonly block: string }>> = {
  results: { enabled: 'cache_results', block: 'results_cache' },
  instant: { enabled: 'cache_instant_metric_results', block: 'instant_metric_results_cache' },
  labels: { enabled: 'cache_label_results', block: 'label_results_cache' },
  series: { enabled: 'cache_series_results', block: 'series_results_cache' },
  stats: { enabled: 'cache_index_stats_results', block: 'index_stats_results_cache' },
  volume: { enabled: 'cache_volume_results', block: 'volume_results_cache' },
};

/** Caches of the kinds that are switched on. A kind whose block names no cache shares that of `results_cache`. */
export function readCaches(settings: Settings): ReadonlyMap<CachedResults, CacheConfig> {
  const shared = readCache(settings, kinds.results.block);
  const caches = new Map<CachedResults, CacheConfig>();
  for (const [kind, { enabled, block }] of Object.entries(kinds)) {
    const isOwn = hasOwnCache(settings, block) && block !== kinds.results.block;
    const own = isOwn ? readCache(settings, block) : shared;
    if (settings.flag(`query_range.${enabled}`)) caches.set(kind as CachedResults, own);
  }
  return caches;
}

function hasOwnCache(settings: Settings, block: string): boolean {
  const path = `query_range.${block}.cache`;
  return settings.text(`${path}.redis.endpoint`) !== '' || settings.flag(`${path}.embedded_cache.enabled`);
}

function readCache(settings: Settings, block: string): CacheConfig {
  const path = `query_range.${block}.cache`;
  const redis = readRedis(settings, `${path}.redis`);
  const embedded = `${path}.embedded_cache`;
  const bytesMax = settings.number(`${embedded}.max_size_mb`) * 1024 * 1024;
  const itemsMax = settings.number(`${embedded}.max_size_items`);
  if (redis.endpoint === '') {
    return { bytesMax, itemsMax, ttlMs: settings.durationMs(`${embedded}.ttl`) };
  }
  const ttlMs =
    settings.durationMs(`${path}.redis.expiration`) || settings.durationMs(`${path}.default_validity`);
  return { bytesMax, itemsMax, ttlMs, redis };
}
