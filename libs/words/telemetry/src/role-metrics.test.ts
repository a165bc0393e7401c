import type { Clock, RingStore } from '@loki/ports';
import { cacheMetrics } from './cache-metrics.ts';
import { Metrics } from './metrics.ts';
import { queryMetrics } from './query-metrics.ts';
import { measuredRingStore, ringMetrics } from './ring-metrics.ts';

test('a query moves the counters that dashboards and autoscalers read', async () => {
  const metrics = new Metrics();
  const queries = queryMetrics(metrics);
  queries.started();
  queries.enqueued('a');
  queries.enqueued('a');
  queries.dequeued('a', 0.2);
  queries.inflight(3);
  queries.cached(true);
  queries.answered({
    tenant: 'a',
    type: 'metric',
    range: 'range',
    statusCode: '200',
    isSharded: true,
    seconds: 2,
    bytes: 1e9,
    chunks: 7,
    blocksRuledOut: 6,
    fetchSeconds: 1,
    headLines: 5,
    splits: 4,
    shards: 16,
  });
  const text = await metrics.text();
  expect(text).toMatch(/^loki_query_scheduler_queue_length\{user="a"\} 1$/m);
  expect(text).toMatch(/^loki_query_scheduler_enqueue_count\{level="0",user="a"\} 2$/m);
  expect(text).toMatch(/^loki_query_scheduler_inflight_requests\{quantile="0.75"\} 3$/m);
  expect(text).toMatch(/^loki_query_frontend_queries_in_progress 0$/m);
  expect(text).toMatch(/^loki_logql_querystats_bytes_processed_total\{tenant="a"\} 1000000000$/m);
  expect(text).toMatch(
    /^loki_logql_querystats_latency_seconds_sum\{range="range",status_code="200",type="metric"\} 2$/m,
  );
  expect(text).toMatch(/^loki_logql_querystats_blocks_ruled_out_total 6$/m);
  expect(text).toMatch(/^logql_query_duration_seconds_count\{query_type="metric"\} 1$/m);
});

test('rings are read at each scrape, and a state that has emptied shows no members', async () => {
  const metrics = new Metrics();
  let members = [
    { state: 'LEAVING', heartbeatMs: 7_000, tokenCount: 128, isSelf: true },
    { state: 'LEAVING', heartbeatMs: 5_000, tokenCount: 128, isSelf: false },
  ];
  ringMetrics(metrics, () => new Map([['ingester', members]]));
  const before = await metrics.text();
  expect(before).toMatch(/^loki_ring_members\{name="ingester",state="LEAVING"\} 2$/m);
  expect(before).toMatch(/^loki_ring_oldest_member_timestamp\{name="ingester",state="LEAVING"\} 5$/m);
  expect(before).toMatch(/^loki_ring_tokens_total\{name="ingester"\} 256$/m);
  expect(before).toMatch(/^loki_ring_member_tokens_owned\{name="ingester"\} 128$/m);
  members = [{ state: 'ACTIVE', heartbeatMs: 9_000, tokenCount: 128, isSelf: false }];
  const after = await metrics.text();
  expect(after).toMatch(/^loki_ring_members\{name="ingester",state="LEAVING"\} 0$/m);
  expect(after).toMatch(/^loki_ring_members\{name="ingester",state="ACTIVE"\} 1$/m);
  expect(after).toMatch(/^loki_ring_member_tokens_owned\{name="ingester"\} 0$/m);
});

test('calls to the store of the rings are timed, failed ones apart', async () => {
  const metrics = new Metrics();
  const inner: RingStore = {
    entries: () => Promise.reject(new Error('away')),
    get: () => Promise.reject(new Error('not asked')),
    put: () => Promise.reject(new Error('not asked')),
    remove: () => Promise.resolve(false),
    watch: () => () => undefined,
    close: () => Promise.resolve(),
  };
  const store = measuredRingStore(inner, metrics, {
    kind: 'redis',
    clock: { monotonicMs: () => 0 } as Clock,
  });
  await expect(store.entries('ring')).rejects.toThrow('away');
  expect(await store.remove('ring', 'a', '')).toBe(false);
  const text = await metrics.text();
  for (const [operation, status] of [
    ['GET', '500'],
    ['CAS', '200'],
  ]) {
    expect(text).toContain(
      `loki_kv_request_duration_seconds_count{kv_name="ring",operation="${operation}",role="primary",status_code="${status}",type="redis"} 1`,
    );
  }
});

test('a cache counts its hits and its content', async () => {
  const metrics = new Metrics();
  const cache = cacheMetrics(metrics, 'results');
  cache.countLookups(3, 1);
  cache.added();
  cache.evicted('full');
  cache.resized(7, 700);
  const text = await metrics.text();
  expect(text).toMatch(/^loki_cache_fetched_keys\{name="results"\} 4$/m);
  expect(text).toMatch(/^loki_cache_hits\{name="results"\} 3$/m);
  expect(text).toMatch(/^loki_embeddedcache_memory_bytes\{cache="results"\} 700$/m);
});
