/** Reads the configuration of results caches (step *recall* of a query). */
import { mib } from '@loki/model';
import { ConfigError } from './config-error.ts';
import { readRedis } from './read-ring.ts';
import { readClientTls } from './read-rpc-clients.ts';
import type { CacheConfig, CachedResults, MemcachedConfig } from './service-config.ts';
import type { Settings } from './settings.ts';

/** The keys that switch on and configure the cache of each kind. */
const kinds: Readonly<Record<CachedResults, { readonly enabled: string; readonly block: string }>> = {
  results: { enabled: 'cache_results', block: 'results_cache' },
  instant: { enabled: 'cache_instant_metric_results', block: 'instant_metric_results_cache' },
  labels: { enabled: 'cache_label_results', block: 'label_results_cache' },
  series: { enabled: 'cache_series_results', block: 'series_results_cache' },
  stats: { enabled: 'cache_index_stats_results', block: 'index_stats_results_cache' },
  volume: { enabled: 'cache_volume_results', block: 'volume_results_cache' },
};

/**
 * Caches of the kinds that are switched on. A kind whose block configures no cache shares the cache of
 * `results_cache`.
 */
export function readCaches(settings: Settings): ReadonlyMap<CachedResults, CacheConfig> {
  const shared = readCache(settings, kinds.results.block);
  const caches = new Map<CachedResults, CacheConfig>();
  for (const [kind, { enabled, block }] of Object.entries(kinds)) {
    const isOwn = hasOwnCache(settings, block) && block !== kinds.results.block;
    const cache = isOwn ? readCache(settings, block) : shared;
    if (settings.flag(`query_range.${enabled}`)) caches.set(kind as CachedResults, cache);
  }
  return caches;
}

function hasOwnCache(settings: Settings, block: string): boolean {
  const path = `query_range.${block}.cache`;
  const names = ['redis.endpoint', 'memcached_client.host', 'memcached_client.addresses'];
  return (
    names.some((name) => settings.text(`${path}.${name}`) !== '') ||
    settings.flag(`${path}.embedded_cache.enabled`)
  );
}

/** @throws ConfigError when two servers of different kinds are configured for the cache */
function readCache(settings: Settings, block: string): CacheConfig {
  const path = `query_range.${block}.cache`;
  const redis = readRedis(settings, `${path}.redis`);
  const memcached = readMemcached(settings, path);
  const embedded = `${path}.embedded_cache`;
  const inMemory = {
    bytesMax: settings.number(`${embedded}.max_size_mb`) * mib,
    itemsMax: settings.number(`${embedded}.max_size_items`),
    ttlMs: settings.durationMs(`${embedded}.ttl`),
    writing: {
      parallelism: settings.number(`${path}.background.writeback_goroutines`),
      itemsMax: settings.number(`${path}.background.writeback_buffer`),
      bytesMax: settings.number(`${path}.background.writeback_size_limit`),
    },
  };
  if (redis.endpoint !== '' && memcached.addresses.length > 0) {
    throw new ConfigError(`${path}: memcached_client and redis are both set: a cache is in one place`);
  }
  const validityMs = settings.durationMs(`${path}.default_validity`);
  if (memcached.addresses.length > 0) {
    const ttlMs = settings.durationMs(`${path}.memcached.expiration`) || validityMs;
    return { ...inMemory, ttlMs, memcached };
  }
  if (redis.endpoint === '') return inMemory;
  return { ...inMemory, ttlMs: settings.durationMs(`${path}.redis.expiration`) || validityMs, redis };
}

/** `addresses` lists the servers; SRV records of `host` for the port named `service` add more. */
function readMemcached(settings: Settings, path: string): MemcachedConfig {
  const client = `${path}.memcached_client`;
  const host = settings.text(`${client}.host`);
  const service = settings.text(`${client}.service`);
  const listed = settings
    .text(`${client}.addresses`)
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
  return {
    addresses: host === '' ? listed : [...listed, `dnssrv+_${service}._tcp.${host}`],
    lookupMs: settings.durationMs(`${client}.update_interval`),
    timeoutMs: settings.durationMs(`${client}.timeout`),
    connectionsMax: Math.max(1, settings.number(`${client}.max_idle_conns`)),
    itemBytesMax: settings.number(`${client}.max_item_size`),
    batchSize: settings.number(`${path}.memcached.batch_size`),
    parallelism: settings.number(`${path}.memcached.parallelism`),
    breaker: {
      failures: settings.number(`${client}.circuit_breaker_consecutive_failures`),
      openMs: settings.durationMs(`${client}.circuit_breaker_timeout`),
      intervalMs: settings.durationMs(`${client}.circuit_breaker_interval`),
    },
    tls: readClientTls(settings, client),
  };
}
