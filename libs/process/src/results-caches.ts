import type { CacheConfig, Config } from '@loki/config';
import type { Clock, Logger, ResultsCache, ResultsKind, Timers } from '@loki/ports';
import type { ResultsCaches } from '@loki/querier';
import { MemoryResultsCache, RedisResultsCache } from '@loki/results-cache';
import { openRedis } from '@loki/ring-store';
import { cacheMetrics, measuredResultsCache } from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import type { Hiding } from './compactor-role.ts';

interface CacheWorld {
  readonly config: Config;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly hiding: Hiding;
}

/** Stands before each key in Redis, whose other users may have keys of their own. */
const keyPrefix = 'lokits/results/';

export interface OpenCaches extends ResultsCaches {
  close(): Promise<void>;
}

/** The caches that the configuration asks for. Kinds that share a configuration share a cache. */
export function openResultsCaches(world: CacheWorld): OpenCaches {
  const { config, clock, hiding } = world;
  const opened = new Map<CacheConfig, ResultsCache>();
  const byKind = new Map<ResultsKind, ResultsCache>();
  for (const [kind, cache] of config.queryRange.caches) {
    // Queriers remember streams of segments anyway: a second memory of the same process would be for nothing.
    if (!cache.redis && streamKinds.has(kind)) continue;
    let shared = opened.get(cache);
    if (!shared) opened.set(cache, (shared = openCache(world, cache, `frontend.${names[kind]}`)));
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

const streamKinds: ReadonlySet<ResultsKind> = new Set(['labels', 'series', 'stats', 'volume']);

const names: Readonly<Record<ResultsKind, string>> = {
  results: 'results-cache',
  instant: 'instant-metric-results-cache',
  labels: 'label-results-cache',
  series: 'series-results-cache',
  stats: 'index-stats-results-cache',
  volume: 'volume-results-cache',
};

function openCache(
  { metrics, clock, timers, logger }: CacheWorld,
  cache: CacheConfig,
  name: string,
): ResultsCache {
  const { bytesMax, itemsMax, ttlMs, redis } = cache;
  if (!redis) {
    const events = cacheMetrics(metrics, name);
    const memory = new MemoryResultsCache({ clock, bytesMax, itemsMax, ttlMs, events });
    return measuredResultsCache(memory, metrics, { name, clock });
  }
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
  const { timeoutMs } = redis;
  const shared = new RedisResultsCache({
    client,
    clock,
    timers,
    logger,
    prefix: keyPrefix,
    ttlMs,
    timeoutMs,
  });
  return measuredResultsCache(shared, metrics, { name, clock });
}

const connectTimeoutMs = 2_000;
