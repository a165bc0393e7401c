/** Maps, lists and scalars, as YAML gives them. */
export type Tree = Record<string, unknown>;

/** Settings of a system beyond the recorded ones and its own addresses. */
export interface Way {
  /** Every kind of answer is cached. */
  readonly isCached: boolean;
  /** Queries are cut by time and by stream as far as possible. */
  readonly isCut: boolean;
}

/** Blocks of `query_range`, each a cache with its own counters. */
const caches = [
  { switch: 'cache_results', block: 'results_cache' },
  { switch: 'cache_instant_metric_results', block: 'instant_metric_results_cache' },
  { switch: 'cache_label_results', block: 'label_results_cache' },
  { switch: 'cache_series_results', block: 'series_results_cache' },
  { switch: 'cache_index_stats_results', block: 'index_stats_results_cache' },
  { switch: 'cache_volume_results', block: 'volume_results_cache' },
];

/**
 * Settings of a way. None of them may change an answer.
 *
 * @param redis `host:port` of the cache; absent: the cache is in memory
 */
export function waySettings({ isCached, isCut }: Way, redis?: string): Tree {
  return merge(isCached ? cachedSettings(redis) : {}, isCut ? cutSettings : {});
}

function cachedSettings(redis: string | undefined): Tree {
  const cache = redis === undefined ? { embedded_cache: { enabled: true } } : { redis: { endpoint: redis } };
  const blocks = caches.flatMap(({ switch: isOn, block }) => [
    [isOn, true],
    [block, { cache }],
  ]);
  return {
    query_range: Object.fromEntries(blocks) as Tree,
    // The recorded lines are some hours old: by default only answers about labels older than a day are
    // cached.
    limits_config: {
      max_cache_freshness_per_query: '0s',
      max_metadata_cache_freshness: '0s',
      max_stats_cache_freshness: '0s',
    },
  };
}

/**
 * About the size of a block of the recorded lines; intervals whose borders no case has; a number of shards
 * that is no power of two.
 */
const cutSettings: Tree = {
  limits_config: {
    tsdb_max_bytes_per_shard: '300',
    tsdb_sharding_strategy: 'bounded',
    tsdb_max_query_parallelism: 5,
    min_sharding_lookback: '0s',
    split_queries_by_interval: '13m',
    split_instant_metric_queries_by_interval: '13m',
    split_metadata_queries_by_interval: '13m',
    split_recent_metadata_queries_by_interval: '13m',
  },
  query_range: { shard_aggregations: 'quantile_over_time,first_over_time,last_over_time' },
};

/** Merges two trees; where both have a value, the second counts. */
export function merge(base: Tree, over: Tree): Tree {
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    merged[key] = isTree(before) && isTree(value) ? merge(before, value) : value;
  }
  return merged;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
