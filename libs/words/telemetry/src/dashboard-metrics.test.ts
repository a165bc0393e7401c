/**
 * Protects dashboards made for Loki: the parts of the system that Loki has otherwise move the counters that
 * its panels draw.
 */
import { LokiError } from '@loki/model';
import type { Clock, DistributorService, IngesterService, LeafRequest, StreamsRequest } from '@loki/ports';
import { compactorMetrics } from './compactor-metrics.ts';
import { distributorMetrics } from './distributor-metrics.ts';
import { serverMetrics } from './http-metrics.ts';
import { ingesterMetrics } from './ingester-metrics.ts';
import { Metrics } from './metrics.ts';
import { rulerMetrics } from './ruler-metrics.ts';
import { countedDistributor, countedIngester } from './service-metrics.ts';

const clock = { monotonicMs: () => 0 } as Clock;

test('retention, deletes and the sweep', async () => {
  const metrics = new Metrics();
  const compactor = compactorMetrics(metrics);
  const merge = { tenant: 'a', inputBytes: 10, outputBytes: 5, removedRows: 3 };
  compactor.merged({ ...merge, removes: 'expired' });
  compactor.merged({ ...merge, removes: 'deleted' });
  compactor.mergeLost();
  compactor.deleteRequestDone('a');
  compactor.retentionLooked({ tenant: 'a', action: 'modified', seconds: 2 });
  compactor.retentionLooked({ tenant: 'a', action: 'none', seconds: 2 });
  compactor.waitingObjects(4, 60_000);
  compactor.objectDeleted('replaced', 0.2);
  const text = await metrics.text();
  for (const line of [
    'loki_compactor_deleted_lines{user="a"} 3',
    'loki_compactor_delete_requests_processed_total{user="a"} 1',
    'loki_compactor_locked_table_successive_compaction_skips{table_name="index"} 1',
    'loki_boltdb_shipper_retention_marker_count_total{table="index"} 1',
    'loki_boltdb_shipper_retention_marker_table_processed_total{table="index",user="a",action="modified"} 1',
    'loki_boltdb_shipper_retention_marker_table_processed_duration_seconds_count{table="index",status="success"} 2',
    'loki_boltdb_shipper_retention_sweeper_marker_files_current 4',
    'loki_boltdb_shipper_retention_sweeper_marker_file_processing_current_time 60',
    'loki_boltdb_shipper_retention_sweeper_chunk_deleted_duration_seconds_count{status="success"} 1',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
});

test('flushes, appends and recorded series', async () => {
  const metrics = new Metrics();
  const ingester = ingesterMetrics(metrics);
  ingester.flushLost(700);
  ingester.flushed({
    reason: 'full',
    storedBytes: 100,
    rows: 10,
    lineBytes: 1000,
    ageSeconds: 1,
    spanHours: 1,
    encodeSeconds: 0.1,
    commitSeconds: 0.2,
    indexEntries: 3,
    utilization: 1,
    tenants: new Map([['a', 100]]),
  });
  const distributor = distributorMetrics(metrics);
  distributor.appended({ partition: 7, seconds: 0.1, bytes: 100, pushes: 2 });
  distributor.appendFailed(7);
  rulerMetrics(metrics).seriesCreated('a', 2);
  const text = await metrics.text();
  for (const line of [
    'loki_chunk_store_deduped_chunks_total 1',
    'loki_chunk_store_deduped_bytes_total 700',
    'loki_chunk_store_index_entries_per_chunk_sum 3',
    'loki_index_request_duration_seconds_count{component="ingester",operation="index_chunk",status_code="200"} 1',
    'loki_distributor_ingester_appends_total{ingester="partition-7"} 1',
    'loki_distributor_ingester_append_failures_total{ingester="partition-7"} 1',
    'loki_ruler_wal_storage_created_series_total{tenant="a"} 2',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
});

test('calls between roles stand under the routes of Loki’s services', async () => {
  const metrics = new Metrics();
  const deps = { server: serverMetrics(metrics), clock };
  const answer = () => Promise.resolve({ committedOffset: 0, result: [] });
  const ingester = countedIngester(
    {
      queryHead: answer,
      headStreams: (_: number, { selector }: StreamsRequest) =>
        selector === '{late="y"}' ? Promise.reject(new LokiError('timeout', 'late')) : answer(),
    } as unknown as IngesterService,
    deps,
  );
  const distributor = countedDistributor(
    { push: () => Promise.resolve({ status: 429 }) } as unknown as DistributorService,
    deps,
  );
  await ingester.queryHead(0, { kind: 'log' } as LeafRequest);
  await ingester.queryHead(0, { kind: 'samples' } as LeafRequest);
  await expect(ingester.headStreams(0, { selector: '{late="y"}' } as StreamsRequest)).rejects.toThrow('late');
  await ingester.headStreams(0, { purpose: 'labels' } as StreamsRequest);
  await ingester.headStreams(0, { purpose: 'stats' } as StreamsRequest);
  await ingester.headStreams(0, { volume: { stepNs: 0n } } as StreamsRequest);
  await distributor.push('a' as never, {} as never);
  const text = await metrics.text();
  for (const [route, status] of [
    ['/logproto.Querier/Query', 'success'],
    ['/logproto.Querier/QuerySample', 'success'],
    ['/logproto.Querier/Series', 'error'],
    ['/logproto.Querier/Label', 'success'],
    ['/logproto.Querier/GetStats', 'success'],
    ['/logproto.Querier/GetVolume', 'success'],
    ['/logproto.Pusher/Push', 'error'],
  ]) {
    expect(text).toContain(
      `loki_request_duration_seconds_count{method="gRPC",route="${route}",status_code="${status}",ws="false"} 1\n`,
    );
    expect(text).toContain(`loki_inflight_requests{method="gRPC",route="${route}"} 0\n`);
  }
});
