/** Protects the keys of queries and caches: each has Loki's meaning. */
import { load, refusal, running } from './test/load.ts';

test('what query_range says of shard_aggregations holds for every tenant beside its own', async () => {
  const { config } = await running(
    ['-config.file=a', '-querier.shard-aggregations=approx_topk, last_over_time'],
    {
      a: 'limits_config: {shard_aggregations: [quantile_over_time], max_query_memory: 64MB}',
    },
  );
  expect(config.limits.shardAggregations).toEqual(['approx_topk', 'last_over_time', 'quantile_over_time']);
  expect(config.limits.maxQueryMemoryBytes).toBe(64 * 2 ** 20);
});

test('kinds of answers are kept where query_range says, in the cache of range queries unless they have their own', async () => {
  const yaml = [
    'query_range:',
    '  cache_results: true',
    '  cache_volume_results: false',
    '  results_cache: {cache: {embedded_cache: {max_size_mb: 7, ttl: 5m}}}',
    '  label_results_cache: {cache: {redis: {endpoint: "r:6379", expiration: 2h, timeout: 50ms}}}',
  ].join('\n');
  const { config } = await running(['-config.file=a'], { a: yaml });
  const { caches } = config.queryRange;
  expect([...caches.keys()]).toEqual(['results', 'labels', 'series', 'stats']);
  expect(caches.get('results')).toEqual({
    bytesMax: 7 * 2 ** 20,
    itemsMax: 0,
    ttlMs: 300_000,
    writing: { parallelism: 1, itemsMax: 500_000, bytesMax: 500 * 2 ** 20 },
  });
  expect(caches.get('series')).toBe(caches.get('results'));
  expect(caches.get('labels')).toMatchObject({
    ttlMs: 7_200_000,
    redis: { endpoint: 'r:6379', timeoutMs: 50 },
  });
});

test('a cache on memcached servers is as charts write it', async () => {
  const yaml = [
    'query_range:',
    '  cache_results: true',
    '  results_cache:',
    '    cache:',
    '      default_validity: 12h',
    '      background: {writeback_goroutines: 2, writeback_buffer: 500, writeback_size_limit: 1MB}',
    '      memcached: {batch_size: 8, parallelism: 3}',
    '      memcached_client:',
    '        addresses: dnssrvnoa+_memcached-client._tcp.loki-results-cache.loki.svc, cache:11311',
    '        host: more.loki.svc',
    '        consistent_hash: true',
    '        timeout: 500ms',
    '        max_idle_conns: 32',
    '        max_item_size: 1048576',
    '        tls_enabled: true',
    '        tls_ca_path: /ca.pem',
  ].join('\n');
  const { config } = await running(['-config.file=a'], { a: yaml });
  expect(config.queryRange.caches.get('results')).toMatchObject({
    ttlMs: 43_200_000,
    writing: { parallelism: 2, itemsMax: 500, bytesMax: 2 ** 20 },
    memcached: {
      addresses: [
        'dnssrvnoa+_memcached-client._tcp.loki-results-cache.loki.svc',
        'cache:11311',
        'dnssrv+_memcached._tcp.more.loki.svc',
      ],
      lookupMs: 60_000,
      timeoutMs: 500,
      connectionsMax: 32,
      itemBytesMax: 1_048_576,
      batchSize: 8,
      parallelism: 3,
      breaker: { failures: 10, openMs: 10_000, intervalMs: 10_000 },
      tls: { enabled: true, caFile: '/ca.pem' },
    },
  });
  const both = `${yaml}\n      redis: {endpoint: "r:6379"}`;
  const { stderr } = (await load(['-config.file=a'], { a: both })) as { stderr: string };
  expect(stderr).toContain('query_range.results_cache.cache: memcached_client and redis are both set');
});

test('a querier reads heads and store unless it is told to read one of them', async () => {
  const reads = async (yaml: string) => (await running(['-config.file=a'], { a: yaml })).config.querier.reads;
  expect(await reads('{}')).toBeUndefined();
  expect(await reads('querier: {query_store_only: true}')).toBe('store');
  expect(await reads('querier: {query_ingester_only: true}')).toBe('heads');
  expect(await refusal('querier: {query_store_only: true, query_ingester_only: true}')).toBe(
    'querier.query_store_only and querier.query_ingester_only cannot both be set',
  );
});

test('the bound of the queue is the frontend’s, or the scheduler’s where that alone is set', async () => {
  const bound = async (yaml: string) =>
    (await running(['-config.file=a'], { a: yaml })).config.frontend.maxOutstandingPerTenant;
  expect(await bound('{}')).toBe(2048);
  expect(await bound('query_scheduler: {max_outstanding_requests_per_tenant: 7}')).toBe(7);
  expect(await bound('frontend: {max_outstanding_per_tenant: 8}')).toBe(8);
  expect(
    await bound(
      '{frontend: {max_outstanding_per_tenant: 8}, query_scheduler: {max_outstanding_requests_per_tenant: 7}}',
    ),
  ).toBe(8);
});

test('the frontend tells of slow queries as it is asked to, all of them where the bound is negative', async () => {
  const frontend = async (yaml: string) => (await running(['-config.file=a'], { a: yaml })).config.frontend;
  expect(
    await frontend(
      'frontend: {log_queries_longer_than: -1s, query_stats_enabled: true, log_query_request_headers: "X-A, X-B"}',
    ),
  ).toMatchObject({
    logQueriesLongerThanMs: -1000,
    queryStatsEnabled: true,
    logQueryRequestHeaders: ['X-A', 'X-B'],
  });
  expect(await frontend('frontend: {log_queries_longer_than: 1m30s}')).toMatchObject({
    logQueriesLongerThanMs: 90_000,
    queryStatsEnabled: false,
    logQueryRequestHeaders: [],
  });
});
