/** Opens the results caches of the configuration. */
import fs from 'node:fs';
import type { CacheConfig, Config, MemcachedConfig, RedisConfig, TlsClientConfig } from '@loki/config';
import type { Clock, Logger, ResultsCache, ResultsKind, Timers } from '@loki/ports';
import type { ResultsCaches } from '@loki/querier';
import { MemcachedResultsCache, MemoryResultsCache, RedisResultsCache } from '@loki/results-cache';
import type { MemcachedTls } from '@loki/results-cache';
import { openRedis } from '@loki/ring-store';
import { cacheMetrics, measuredResultsCache, memcachedMetrics } from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import { watchAddresses } from '../cluster/addresses.ts';
import type { MemoryBounds } from '../stores/memory-bounds.ts';
import type { Hiding } from './compactor-role.ts';

interface CacheDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly hiding: Hiding;
  readonly memory: Pick<MemoryBounds, 'resultsCacheBytesMax' | 'cacheWritingBytesMax'>;
}

/** Prefix of each key in a remote cache, which other programs may share. */
const keyPrefix = 'lokits/results/';

interface OpenCaches extends ResultsCaches {
  close(): Promise<void>;
}

/** Opens the configured caches. Kinds with the same configuration share a cache. */
export function openResultsCaches(deps: CacheDeps): OpenCaches {
  const { config, clock, hiding } = deps;
  const opened = new Map<CacheConfig, ResultsCache>();
  const byKind = new Map<ResultsKind, ResultsCache>();
  const memory = perCache(deps.memory, new Set(config.queryRange.caches.values()).size);
  for (const [kind, cache] of config.queryRange.caches) {
    // Queriers cache streams of segments anyway: a second cache in the same process would be useless.
    if (!isElsewhere(cache) && streamKinds.has(kind)) continue;
    let shared = opened.get(cache);
    if (!shared) {
      opened.set(cache, (shared = openCache({ ...deps, memory }, cache, `frontend.${names[kind]}`)));
    }
    byKind.set(kind, shared);
  }
  return {
    byKind,
    generation: (tenant) => hiding.requests?.state.generation(tenant) ?? 0,
    clock,
    async close() {
      await Promise.all([...opened.values()].map((cache) => cache.close()));
    },
  };
}

/** Each cache gets an equal part of the memory, at least for one cache. */
function perCache(memory: CacheDeps['memory'], caches: number): CacheDeps['memory'] {
  const part = (bytes: number) => Math.floor(bytes / Math.max(caches, 1));
  return {
    resultsCacheBytesMax: part(memory.resultsCacheBytesMax),
    cacheWritingBytesMax: part(memory.cacheWritingBytesMax),
  };
}

const streamKinds: ReadonlySet<ResultsKind> = new Set(['labels', 'series', 'stats', 'volume']);

const names: Readonly<Record<ResultsKind, string>> = {
  results: 'results-cache',
  instant: 'instant-metric-results-cache',
  labels: 'label-results-cache',
  series: 'series-results-cache',
  stats: 'index-stats-results-cache',
  volume: 'volume-results-cache',
};

function isElsewhere({ redis, memcached }: CacheConfig): boolean {
  return redis !== undefined || memcached !== undefined;
}

function openCache(deps: CacheDeps, cache: CacheConfig, name: string): ResultsCache {
  const { metrics, clock } = deps;
  const { bytesMax, itemsMax, ttlMs, redis, memcached } = cache;
  if (redis) return measuredResultsCache(openRedisCache(deps, cache, redis), metrics, { name, clock });
  if (memcached) {
    return measuredResultsCache(openMemcached(deps, cache, memcached, name), metrics, { name, clock });
  }
  const events = cacheMetrics(metrics, name);
  const fittingBytes = Math.min(bytesMax, deps.memory.resultsCacheBytesMax);
  const inMemory = new MemoryResultsCache({ clock, bytesMax: fittingBytes, itemsMax, ttlMs, events });
  return measuredResultsCache(inMemory, metrics, { name, clock });
}

const connectTimeoutMs = 2_000;
function openRedisCache(
  { clock, timers, logger, memory }: CacheDeps,
  { ttlMs, writing }: CacheConfig,
  redis: RedisConfig,
): ResultsCache {
  const client = openRedis(
    {
      endpoints: redis.endpoint.split(',').map((endpoint) => endpoint.trim()),
      masterName: redis.masterName || undefined,
      username: redis.username || undefined,
      password: redis.password || undefined,
      db: redis.db,
      ...(redis.tlsEnabled ? { tls: { insecureSkipVerify: redis.tlsInsecureSkipVerify } } : {}),
      connectTimeoutMs,
      socketTimeoutMs: Math.max(redis.timeoutMs * 4, connectTimeoutMs),
      logger,
    },
    'results cache',
  );
  return new RedisResultsCache({
    client,
    clock,
    timers,
    logger,
    prefix: keyPrefix,
    ttlMs,
    timeoutMs: redis.timeoutMs,
    writingBytesMax: Math.min(writing.bytesMax, memory.cacheWritingBytesMax),
  });
}

const memcachedPort = 11_211;

/** Follows changes of the servers behind the names. */
function openMemcached(
  { clock, timers, logger, metrics, memory }: CacheDeps,
  { ttlMs, writing }: CacheConfig,
  memcached: MemcachedConfig,
  name: string,
): ResultsCache {
  const { addresses, lookupMs, tls, ...rest } = memcached;
  const cache = new MemcachedResultsCache({
    ...rest,
    clock,
    timers,
    logger,
    prefix: keyPrefix,
    ttlMs,
    writing: { ...writing, bytesMax: Math.min(writing.bytesMax, memory.cacheWritingBytesMax) },
    tls: tls.enabled ? tlsOf(tls) : undefined,
    onRequest: memcachedMetrics(metrics, name),
  });
  const stop = watchAddresses({
    addresses,
    periodMs: Math.max(lookupMs, 1_000),
    defaultPort: memcachedPort,
    timers,
    logger,
    onChange: (servers) => cache.useServers(servers),
  });
  return {
    get: (keys) => cache.get(keys),
    put: (entries) => cache.put(entries),
    close() {
      stop();
      return cache.close();
    },
  };
}

function tlsOf({ caFile, certFile, keyFile, serverName, insecureSkipVerify }: TlsClientConfig): MemcachedTls {
  const read = (file: string) => (file === '' ? undefined : fs.readFileSync(file, 'utf8'));
  return { ca: read(caFile), cert: read(certFile), key: read(keyFile), serverName, insecureSkipVerify };
}
