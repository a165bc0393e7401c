import type { Metrics } from './metrics.ts';

/** The counters of the compactor. */
export interface CompactorMetrics {
  running(isRunning: boolean): void;
  compacted(outcome: { ok: boolean; seconds: number; nowSeconds: number }): void;
  retentionApplied(outcome: { ok: boolean; seconds: number; nowSeconds: number }): void;
  deleteRequestReceived(tenant: string): void;
  deleteRequestsLoaded(ok: boolean): void;
  /** Requests past the cancel period that are not carried out, and how old the oldest is. */
  pendingDeletes(count: number, oldestAgeSeconds: number): void;
  merged(merge: { inputBytes: number; outputBytes: number; removedRows: number }): void;
  /** Another compactor was ahead of us. */
  mergeLost(): void;
  /** Merges that wait after the last look. */
  backlog(waiting: number): void;
  objectDeleted(reason: string): void;
}

/** The compactor's counters under Loki's names; those without a counterpart there have names of ours. */
export function compactorMetrics(metrics: Metrics): CompactorMetrics {
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
    'Age of the oldest of them.',
  );
  const skips = metrics.counter('loki_compactor_merges_lost_total', 'Merges another compactor was ahead of.');
  const merges = metrics.counter('loki_compactor_merges_total', 'Merges committed.');
  const inputBytes = metrics.counter('loki_compactor_input_bytes_total', 'Stored bytes of merged segments.');
  const outputBytes = metrics.counter('loki_compactor_output_bytes_total', 'Stored bytes written by merges.');
  const removedRows = metrics.counter(
    'loki_compactor_removed_entries_total',
    'Entries removed by retention and deletes.',
  );
  const backlog = metrics.gauge('loki_compactor_backlog_merges', 'Merges waiting after the last look.');
  const deleted = metrics.counter('loki_compactor_objects_deleted_total', 'Objects removed from the store.', [
    'reason',
  ]);

  return {
    running: (isRunning: boolean) => running.set(isRunning ? 1 : 0),
    compacted(outcome: { ok: boolean; seconds: number; nowSeconds: number }): void {
      runs.inc({ status: outcome.ok ? 'success' : 'failure' });
      runSeconds.set(outcome.seconds);
      if (outcome.ok) lastRun.set(outcome.nowSeconds);
    },
    retentionApplied(outcome: { ok: boolean; seconds: number; nowSeconds: number }): void {
      retentionRuns.inc({ status: outcome.ok ? 'success' : 'failure' });
      retentionSeconds.set(outcome.seconds);
      if (outcome.ok) lastRetention.set(outcome.nowSeconds);
    },
    deleteRequestReceived: (tenant: string) => received.inc({ user: tenant }),
    deleteRequestsLoaded: (ok: boolean) => loads.inc({ status: ok ? 'success' : 'failure' }),
    pendingDeletes(count: number, oldestAgeSeconds: number): void {
      pending.set(count);
      oldest.set(oldestAgeSeconds);
    },
    merged(merge: { inputBytes: number; outputBytes: number; removedRows: number }): void {
      merges.inc();
      inputBytes.inc(merge.inputBytes);
      outputBytes.inc(merge.outputBytes);
      removedRows.inc(merge.removedRows);
    },
    mergeLost: () => skips.inc(),
    backlog: (waiting: number) => backlog.set(waiting),
    objectDeleted: (reason: string) => deleted.inc({ reason }),
  };
}
