/** Metrics of the compactor: the story of a stored day. */
import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** Why an object was deleted: a merge replaced it, or no catalog names it. */
type DeletionReason = 'replaced' | 'orphan';

/** Events of the compactor; each method updates the metrics of its event. */
export interface CompactorMetrics {
  running(isRunning: boolean): void;
  compacted(outcome: { ok: boolean; seconds: number; nowSeconds: number }): void;
  retentionApplied(outcome: { ok: boolean; seconds: number; nowSeconds: number }): void;
  deleteRequestReceived(tenant: string): void;
  deleteRequestsLoaded(ok: boolean): void;
  /** Delete requests past the cancel period that are not carried out yet, and the age of the oldest. */
  pendingDeletes(count: number, oldestAgeSeconds: number): void;
  merged(merge: CountedMerge): void;
  /** Another compactor committed first. */
  mergeLost(): void;
  /** Merges that wait after the last round. */
  backlog(waiting: number): void;
  objectDeleted(reason: DeletionReason, seconds: number): void;
  deleteRequestDone(tenant: string): void;
  /** Retention examined a day of a tenant. */
  retentionLooked(look: {
    readonly tenant: string;
    readonly action: 'none' | 'modified' | 'deleted';
    readonly seconds: number;
  }): void;
  /** Objects that left a catalog and wait for their deletion: their number and the time of the oldest. */
  waitingObjects(count: number, oldestMs: number): void;
}

/** A committed merge. */
interface CountedMerge {
  readonly tenant: string;
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly removedRows: number;
  /** The cause of the removal. */
  readonly removes: 'expired' | 'deleted';
}

/** Value of the label `table`: Loki has an index table for each day, this program has one index. */
const table = 'index';

/** The compactor's counters under Loki's names; metrics that Loki does not have use our names. */
export function compactorMetrics(metrics: Metrics): CompactorMetrics {
  return {
    ...roundMetrics(metrics),
    ...deleteRequestMetrics(metrics),
    ...mergeMetrics(metrics),
    ...retentionMetrics(metrics),
    ...objectMetrics(metrics),
  };
}

/** Rounds of compaction and of retention. */
function roundMetrics(
  metrics: Metrics,
): Pick<CompactorMetrics, 'running' | 'compacted' | 'retentionApplied'> {
  const running = metrics.gauge('loki_boltdb_shipper_compactor_running', '1 while compactions are run here.');
  const runs = metrics.counter(
    'loki_boltdb_shipper_compact_tables_operation_total',
    'Rounds of compaction by outcome.',
    ['status'],
  );
  const runSeconds = metrics.gauge(
    'loki_boltdb_shipper_compact_tables_operation_duration_seconds',
    'Duration of the last round of compaction.',
  );
  const lastRun = metrics.gauge(
    'loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds',
    'When compaction last succeeded.',
  );
  const retentionRuns = metrics.counter(
    'loki_compactor_apply_retention_operation_total',
    'Rounds of retention by outcome.',
    ['status'],
  );
  const retentionSeconds = metrics.gauge(
    'loki_compactor_apply_retention_operation_duration_seconds',
    'Duration of the last round of retention.',
  );
  const lastRetention = metrics.gauge(
    'loki_compactor_apply_retention_last_successful_run_timestamp_seconds',
    'When retention last succeeded.',
  );
  return {
    running: (isRunning) => running.set(isRunning ? 1 : 0),
    compacted(outcome) {
      runs.inc({ status: outcome.ok ? 'success' : 'failure' });
      runSeconds.set(outcome.seconds);
      if (outcome.ok) lastRun.set(outcome.nowSeconds);
    },
    retentionApplied(outcome) {
      retentionRuns.inc({ status: outcome.ok ? 'success' : 'failure' });
      retentionSeconds.set(outcome.seconds);
      if (outcome.ok) lastRetention.set(outcome.nowSeconds);
    },
  };
}

/** Delete requests from their arrival to their end. */
function deleteRequestMetrics(
  metrics: Metrics,
): Pick<
  CompactorMetrics,
  'deleteRequestReceived' | 'deleteRequestsLoaded' | 'pendingDeletes' | 'deleteRequestDone'
> {
  const received = metrics.counter('loki_compactor_delete_requests_received_total', 'Delete requests.', [
    'user',
  ]);
  const loads = metrics.counter(
    'loki_compactor_load_pending_requests_attempts_total',
    'Loads of delete requests by outcome.',
    ['status'],
  );
  const pending = metrics.gauge(
    'loki_compactor_pending_delete_requests_count',
    'Delete requests past the cancel period that are not carried out.',
  );
  const oldest = metrics.gauge(
    'loki_compactor_oldest_pending_delete_request_age_seconds',
    'Age of the oldest delete request past the cancel period that is not carried out.',
  );
  const processed = metrics.counter(
    'loki_compactor_delete_requests_processed_total',
    'Delete requests that were carried out.',
    ['user'],
  );
  return {
    deleteRequestReceived: (tenant) => received.inc({ user: tenant }),
    deleteRequestsLoaded: (ok) => loads.inc({ status: ok ? 'success' : 'failure' }),
    pendingDeletes(count, oldestAgeSeconds) {
      pending.set(count);
      oldest.set(oldestAgeSeconds);
    },
    deleteRequestDone: (tenant) => processed.inc({ user: tenant }),
  };
}

/** Merges of segments, and the rows that they remove. */
function mergeMetrics(metrics: Metrics): Pick<CompactorMetrics, 'merged' | 'mergeLost' | 'backlog'> {
  const skips = metrics.counter(
    'loki_compactor_merges_lost_total',
    'Merges lost because another compactor committed first.',
  );
  const merges = metrics.counter('loki_compactor_merges_total', 'Merges committed.');
  const inputBytes = metrics.counter('loki_compactor_input_bytes_total', 'Stored bytes of merged segments.');
  const outputBytes = metrics.counter('loki_compactor_output_bytes_total', 'Stored bytes written by merges.');
  const removedRows = metrics.counter(
    'loki_compactor_removed_entries_total',
    'Entries removed by retention and deletes.',
  );
  const backlog = metrics.gauge('loki_compactor_backlog_merges', 'Merges that wait after the last round.');
  const deletedLines = metrics.counter('loki_compactor_deleted_lines', 'Lines removed by delete requests.', [
    'user',
  ]);
  const locked = metrics.gauge(
    'loki_compactor_locked_table_successive_compaction_skips',
    'Merges lost in a row to another compactor.',
    ['table_name'],
  );
  return {
    merged(merge) {
      merges.inc();
      locked.set({ table_name: table }, 0);
      if (merge.removes === 'deleted') deletedLines.inc({ user: merge.tenant }, merge.removedRows);
      inputBytes.inc(merge.inputBytes);
      outputBytes.inc(merge.outputBytes);
      removedRows.inc(merge.removedRows);
    },
    mergeLost() {
      skips.inc();
      locked.inc({ table_name: table });
    },
    backlog: (waiting) => backlog.set(waiting),
  };
}

/**
 * Metrics of retention. Loki marks expired chunks and sweeps them later; here objects leave a catalog first.
 */
function retentionMetrics(metrics: Metrics): Pick<CompactorMetrics, 'retentionLooked' | 'waitingObjects'> {
  const marked = metrics.counter(
    'loki_boltdb_shipper_retention_marker_count_total',
    'Objects with rows past their time that were replaced.',
    ['table'],
  );
  const checkedDays = metrics.counter(
    'loki_boltdb_shipper_retention_marker_table_processed_total',
    'Days of a tenant at which retention looked, by outcome.',
    ['table', 'user', 'action'],
  );
  const checkSeconds = metrics.histogram(
    'loki_boltdb_shipper_retention_marker_table_processed_duration_seconds',
    'Time of retention for one day of a tenant.',
    [1, 2.5, 5, 10, 20, 40, 90, 360, 600, 1800],
    ['table', 'status'],
  );
  const waiting = metrics.gauge(
    'loki_boltdb_shipper_retention_sweeper_marker_files_current',
    'Objects that left a catalog and wait for their deletion.',
  );
  const oldest = metrics.gauge(
    'loki_boltdb_shipper_retention_sweeper_marker_file_processing_current_time',
    'When the oldest object that waits for its deletion left its catalog; 0: none waits.',
  );
  return {
    retentionLooked({ tenant, action, seconds }) {
      checkedDays.inc({ table, user: tenant, action });
      checkSeconds.observe({ table, status: 'success' }, seconds);
      marked.inc({ table }, action === 'none' ? 0 : 1);
    },
    waitingObjects(count, oldestMs) {
      waiting.set(count);
      oldest.set(oldestMs / 1000);
    },
  };
}

/** Objects that are deleted from the store. */
function objectMetrics(metrics: Metrics): Pick<CompactorMetrics, 'objectDeleted'> {
  const deleted = metrics.counter('loki_compactor_objects_deleted_total', 'Objects removed from the store.', [
    'reason',
  ]);
  // Zero until an object is two hours old: a rate needs the series from the beginning.
  for (const reason of ['replaced', 'orphan'] as const) deleted.inc({ reason }, 0);
  const deletedSeconds = metrics.histogram(
    'loki_boltdb_shipper_retention_sweeper_chunk_deleted_duration_seconds',
    'Time to delete an object.',
    exponentialBuckets(0.1, 2, 8),
    ['status'],
  );
  return {
    objectDeleted(reason, seconds) {
      deleted.inc({ reason });
      deletedSeconds.observe({ status: 'success' }, seconds);
    },
  };
}
