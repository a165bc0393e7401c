/** Metrics of the ingester: steps *consume* and *flush, commit* of a written line. */
import { headGauges } from './head-gauges.ts';
import type { HeadState } from './head-gauges.ts';
import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** A flushed segment: what Loki's dashboards call a chunk. */
interface FlushedSegment {
  readonly reason: string;
  readonly storedBytes: number;
  readonly rows: number;
  readonly lineBytes: number;
  /** Age of the oldest record at the flush. */
  readonly ageSeconds: number;
  /** Hours from the oldest to the newest entry. */
  readonly spanHours: number;
  readonly encodeSeconds: number;
  /** Time to commit it to the catalog. */
  readonly commitSeconds: number;
  /** Sections of the segment in the catalog. */
  readonly indexEntries: number;
  /** Line bytes divided by the target size. */
  readonly utilization: number;
  /** Stored bytes by tenant, in proportion to its lines. */
  readonly tenants: ReadonlyMap<string, number>;
}

/** Events of the ingester; each method updates the metrics of its event. */
export interface IngesterMetrics {
  recordConsumed(rows: number, lineBytes: number): void;
  /** Records dropped by (writerId, sequence). */
  recordRepeated(): void;
  recordQuarantined(): void;
  /** Records of the write log that were acknowledged and cannot be read any more. */
  recordsLost(records: number): void;
  /** Rows were dropped, because an equal entry is stored already. */
  duplicatesDropped(tenant: string, rows: number): void;
  streamsCreated(tenant: string, count: number): void;
  streamsRemoved(tenant: string, count: number): void;
  flushStarted(): void;
  flushEnded(): void;
  flushed(segment: FlushedSegment): void;
  flushFailed(): void;
  /** Another owner committed first. */
  flushLost(storedBytes: number): void;
  tailDropped(entries: number): void;
  /** Undefined: the partition has left this process. */
  head(partition: number, state: HeadState | undefined): void;
  /** `isActive` is true from the start until the partition has caught up. */
  replaying(partition: number, isActive: boolean): void;
}

/** The ingester's counters under Loki's names; metrics that Loki does not have use our names. */
export function ingesterMetrics(metrics: Metrics): IngesterMetrics {
  const recordsConsumed = metrics.counter(
    'loki_ingester_records_consumed_total',
    'Write-log records consumed.',
  );
  const rowsConsumed = metrics.counter(
    'loki_ingester_entries_consumed_total',
    'Entries consumed from the write log.',
  );
  const bytesConsumed = metrics.counter('loki_ingester_line_bytes_consumed_total', 'Line bytes consumed.');
  const repeated = metrics.counter(
    'loki_ingester_records_repeated_total',
    'Records dropped as already consumed.',
  );
  const quarantined = metrics.counter(
    'loki_ingester_records_quarantined_total',
    'Records set aside as unreadable.',
  );
  const unreadableRecords = metrics.counter(
    'loki_ingester_wal_records_lost_total',
    'Acknowledged records that the write log cannot read any more.',
  );
  const duplicates = metrics.counter(
    'loki_ingester_duplicate_entries_total',
    'Entries dropped as already stored.',
    ['tenant'],
  );
  const streamsCreated = metrics.counter('loki_ingester_streams_created_total', 'Streams created.', [
    'tenant',
  ]);
  const streamsRemoved = metrics.counter('loki_ingester_streams_removed_total', 'Streams removed.', [
    'tenant',
  ]);
  const queue = metrics.gauge('loki_ingester_flush_queue_length', 'Flushes waiting or running.');
  const flushFailures = metrics.counter('loki_ingester_chunks_flush_failures_total', 'Failed flushes.');
  const dedupedChunks = metrics.counter(
    'loki_chunk_store_deduped_chunks_total',
    'Segments thrown away because another owner had stored their rows.',
  );
  const dedupedBytes = metrics.counter(
    'loki_chunk_store_deduped_bytes_total',
    'Stored bytes of segments thrown away because another owner had stored their rows.',
  );
  const flushLost = metrics.counter(
    'loki_ingester_flushes_lost_total',
    'Flushes lost because another owner committed first.',
  );
  const tailDropped = metrics.counter(
    'loki_ingester_tail_dropped_entries_total',
    'Entries dropped from slow tails.',
  );
  const replaying = metrics.gauge('loki_ingester_wal_replay_active', '1 while a partition catches up.');
  const chunks = chunkMetrics(metrics);
  const showHead = headGauges(metrics);
  const replayingPartitions = new Set<number>();

  return {
    recordConsumed(rows: number, lineBytes: number): void {
      recordsConsumed.inc();
      rowsConsumed.inc(rows);
      bytesConsumed.inc(lineBytes);
    },
    recordRepeated: () => repeated.inc(),
    recordQuarantined: () => quarantined.inc(),
    recordsLost: (records) => unreadableRecords.inc({}, records),
    duplicatesDropped: (tenant: string, rows: number) => duplicates.inc({ tenant }, rows),
    streamsCreated: (tenant: string, count: number) => streamsCreated.inc({ tenant }, count),
    streamsRemoved: (tenant: string, count: number) => streamsRemoved.inc({ tenant }, count),
    flushStarted: () => queue.inc(),
    flushEnded: () => queue.dec(),
    flushed: (chunk: FlushedSegment) => chunks.flushed(chunk),
    flushFailed: () => flushFailures.inc(),
    flushLost(storedBytes) {
      flushLost.inc();
      dedupedChunks.inc();
      dedupedBytes.inc(storedBytes);
    },
    tailDropped: (entries: number) => tailDropped.inc(entries),
    head: showHead,
    replaying(partition: number, isActive: boolean): void {
      if (isActive) replayingPartitions.add(partition);
      else replayingPartitions.delete(partition);
      replaying.set(replayingPartitions.size > 0 ? 1 : 0);
    },
  };
}

function chunkMetrics(metrics: Metrics) {
  const flushedTotal = metrics.counter('loki_ingester_chunks_flushed_total', 'Flushes by reason.', [
    'reason',
  ]);
  const stored = metrics.counter('loki_ingester_chunks_stored_total', 'Segments stored.', ['tenant']);
  const storedBytes = metrics.counter(
    'loki_ingester_chunk_stored_bytes_total',
    'Stored bytes of flushed segments.',
    ['tenant'],
  );
  const age = metrics.histogram(
    'loki_ingester_chunk_age_seconds',
    'Age of a segment at its flush.',
    [60, 600, 1800, 3600, 7200, 14400, 36000, 43200, 57600, 86400, 172800],
  );
  const span = metrics.histogram(
    'loki_ingester_chunk_bounds_hours',
    'Hours between the oldest and the newest entry of a segment.',
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  const size = metrics.histogram(
    'loki_ingester_chunk_size_bytes',
    'Stored bytes of a segment at its flush.',
    exponentialBuckets(20000, 2, 14),
  );
  const entries = metrics.histogram(
    'loki_ingester_chunk_entries',
    'Lines of a segment at its flush.',
    exponentialBuckets(200, 2, 18),
  );
  const ratio = metrics.histogram(
    'loki_ingester_chunk_compression_ratio',
    'Ratio of line bytes to stored bytes of a segment.',
    [0.75, 2, 4, 6, 8, 10, 12, 14, 16, 18],
  );
  const utilization = metrics.histogram(
    'loki_ingester_chunk_utilization',
    'Share of the target size that a segment fills.',
    [0, 0.2, 0.4, 0.6, 0.8, 1],
  );
  const encode = metrics.histogram(
    'loki_ingester_chunk_encode_time_seconds',
    'Time to encode and compress a segment.',
    exponentialBuckets(0.01, 4, 8),
  );
  const indexed = metrics.histogram(
    'loki_index_request_duration_seconds',
    'Time of calls to the catalog.',
    exponentialBuckets(0.005, 2, 11),
    ['component', 'operation', 'status_code'],
  );
  const indexEntries = metrics.histogram(
    'loki_chunk_store_index_entries_per_chunk',
    'Entries of the catalog for one flushed segment.',
    exponentialBuckets(1, 2, 8),
  );
  return {
    flushed(chunk: FlushedSegment): void {
      flushedTotal.inc({ reason: chunk.reason });
      age.observe(chunk.ageSeconds);
      span.observe(chunk.spanHours);
      size.observe(chunk.storedBytes);
      entries.observe(chunk.rows);
      if (chunk.storedBytes > 0) ratio.observe(chunk.lineBytes / chunk.storedBytes);
      utilization.observe(chunk.utilization);
      encode.observe(chunk.encodeSeconds);
      indexed.observe(
        { component: 'ingester', operation: 'index_chunk', status_code: '200' },
        chunk.commitSeconds,
      );
      indexEntries.observe(chunk.indexEntries);
      for (const [tenant, bytes] of chunk.tenants) {
        stored.inc({ tenant });
        storedBytes.inc({ tenant }, bytes);
      }
    },
  };
}
