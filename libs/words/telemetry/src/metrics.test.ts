import { buildInfo, buildInfoMetric } from './build-info.ts';
import { commonMetrics } from './common-metrics.ts';
import { serverMetrics } from './http-metrics.ts';
import { IdleTenants } from './idle-tenants.ts';
import { ingesterMetrics } from './ingester-metrics.ts';
import { Metrics } from './metrics.ts';
import { collectProcessMetrics } from './process-metrics.ts';
import { isTracing, withSpan } from './tracing.ts';

test('the exposition has Loki’s names, labels and buckets', async () => {
  const metrics = new Metrics();
  const server = serverMetrics(metrics);
  server.connections('http', 1);
  server.started('POST', 'loki_api_v1_push');
  server.served({
    method: 'POST',
    route: 'loki_api_v1_push',
    statusCode: '204',
    isWebSocket: false,
    seconds: 0.02,
    requestBytes: 2000,
    responseBytes: 0,
  });
  buildInfoMetric(metrics, buildInfo('node24'), { os: 'linux', arch: 'amd64' });
  const text = await metrics.text();
  expect(text).toContain('# TYPE loki_request_duration_seconds histogram');
  expect(text).toContain(
    'loki_request_duration_seconds_bucket{le="0.025",method="POST",route="loki_api_v1_push",status_code="204",ws="false"} 1',
  );
  expect(text).toMatch(/^loki_inflight_requests\{method="POST",route="loki_api_v1_push"\} 0$/m);
  expect(text).toMatch(/^loki_tcp_connections\{protocol="http"\} 1$/m);
  expect(text).toMatch(/^loki_build_info\{.*version="3\.\d+\.\d+"\} 1$/m);
});

test('another namespace replaces the prefix, and a metric asked for twice is one metric', async () => {
  const metrics = new Metrics('logs');
  commonMetrics(metrics).panic();
  commonMetrics(metrics).panic();
  expect(await metrics.text()).toMatch(/^logs_panic_total 2$/m);
});

test('a reload shows its success and the one hash in force', async () => {
  const metrics = new Metrics();
  const common = commonMetrics(metrics);
  common.runtimeConfigReloaded('a.yaml', { isSuccessful: true, sha256: 'old' });
  common.runtimeConfigReloaded('a.yaml', { isSuccessful: false, sha256: 'new' });
  const text = await metrics.text();
  expect(text).toMatch(/^loki_runtime_config_last_reload_successful\{config="a.yaml"\} 0$/m);
  expect(text).toContain('sha256="new"');
  expect(text).not.toContain('sha256="old"');
});

test('memory gauges add up the heads of all partitions and subtract those that left', async () => {
  const metrics = new Metrics();
  const ingester = ingesterMetrics(metrics);
  const place = { consumedOffset: 9, committedOffset: 7, oldestSeconds: 1.5, isLeader: true };
  ingester.head(0, { ...place, records: 2, memoryBytes: 10, streams: new Map([['a', 3]]), lagRecords: 1 });
  ingester.head(1, {
    ...place,
    records: 5,
    memoryBytes: 20,
    streams: new Map([
      ['a', 4],
      ['b', 1],
    ]),
    lagRecords: 0,
  });
  expect(await metrics.text()).toMatch(/^loki_ingester_memory_streams\{tenant="a"\} 7$/m);
  ingester.head(1, undefined);
  const text = await metrics.text();
  expect(text).toMatch(/^loki_ingester_memory_chunks 2$/m);
  for (const [name, value] of [
    ['lag_records', 1],
    ['bytes', 10],
    ['consumed_offset', 9],
    ['committed_offset', 7],
    ['oldest_seconds', 1.5],
    ['leader', 1],
  ]) {
    expect(text).toContain(`\nloki_ingester_partition_${name}{partition="0"} ${value}\n`);
  }
  expect(text).toMatch(/^loki_ingester_memory_streams\{tenant="a"\} 3$/m);
  expect(text).toMatch(/^loki_ingester_memory_bytes 10$/m);
  expect(text).not.toContain('partition="1"');
});

// It had no sample between a flush and the next push: a panel had gaps, and a scrape at that moment no
// series.
test('a tenant without streams shows 0, until it is idle', async () => {
  const metrics = new Metrics();
  const ingester = ingesterMetrics(metrics);
  const place = { consumedOffset: 9, committedOffset: 7, oldestSeconds: 0, isLeader: true, lagRecords: 0 };
  ingester.head(0, { ...place, records: 2, memoryBytes: 10, streams: new Map([['a', 3]]) });
  ingester.head(0, { ...place, records: 0, memoryBytes: 0, streams: new Map() });
  expect(await metrics.text()).toMatch(/^loki_ingester_memory_streams\{tenant="a"\} 0$/m);
  const idle = new IdleTenants(metrics, { idleMs: 1 });
  for (const nowMs of [0, 2]) await idle.sweep(nowMs, () => Promise.resolve());
  ingester.head(0, { ...place, records: 0, memoryBytes: 0, streams: new Map() });
  expect(await metrics.text()).not.toContain('tenant="a"');
});

test('the exposition has process metrics', async () => {
  const metrics = new Metrics();
  collectProcessMetrics(metrics);
  const text = await metrics.text();
  expect(text).toContain('process_resident_memory_bytes');
  expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
  expect(text).toMatch(/^go_goroutines [1-9]/m);
  expect(text).toMatch(/^go_memstats_heap_inuse_bytes [1-9]/m);
  expect(text).toMatch(/^go_gc_duration_seconds\{quantile="0.5"\} /m);
  expect(text).toMatch(/^go_gc_cycles_total_gc_cycles_total /m);
});

test('a span with tracing off is a plain call', async () => {
  expect(isTracing()).toBe(false);
  expect(await withSpan('x', {}, () => Promise.resolve(5))).toBe(5);
  await expect(withSpan('x', {}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
});
