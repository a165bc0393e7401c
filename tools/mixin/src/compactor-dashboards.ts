/** Dashboards of the compactors: retention and delete requests, from Prometheus. */
import { curves, rateBy, select, stat } from './promql.ts';
import { system } from './system-dashboard.ts';

export const retention = system('retention', 'Retention', 'Compaction, and rows past their time.', [
  {
    title: 'Compaction',
    panels: [
      stat(
        'Last success',
        'dateTimeFromNow',
        `1000 * max(${select('loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds', 'compactor')})`,
      ),
      stat('Merges that wait', 'short', `sum(${select('loki_compactor_backlog_merges', 'compactor')})`),
      rateBy(
        'Rounds, by outcome',
        'ops',
        'status',
        select('loki_boltdb_shipper_compact_tables_operation_total', 'compactor'),
      ),
      curves(
        'Time of a round',
        's',
        'pod',
        `max by (pod) (${select('loki_boltdb_shipper_compact_tables_operation_duration_seconds', 'compactor')})`,
      ),
    ],
  },
  {
    title: 'Merges',
    panels: [
      rateBy('Merges', 'ops', 'pod', select('loki_compactor_merges_total', 'compactor')),
      rateBy('Bytes read', 'binBps', 'pod', select('loki_compactor_input_bytes_total', 'compactor')),
      rateBy('Bytes written', 'binBps', 'pod', select('loki_compactor_output_bytes_total', 'compactor')),
      rateBy(
        'Merges lost to another compactor',
        'ops',
        'pod',
        select('loki_compactor_merges_lost_total', 'compactor'),
      ),
    ],
  },
  {
    title: 'Retention',
    panels: [
      stat(
        'Last success',
        'dateTimeFromNow',
        `1000 * max(${select('loki_compactor_apply_retention_last_successful_run_timestamp_seconds', 'compactor')})`,
      ),
      rateBy(
        'Rounds, by outcome',
        'ops',
        'status',
        select('loki_compactor_apply_retention_operation_total', 'compactor'),
      ),
      rateBy(
        'Days looked at, by outcome',
        'ops',
        'action',
        select('loki_boltdb_shipper_retention_marker_table_processed_total', 'compactor'),
      ),
      rateBy('Rows removed', 'ops', 'pod', select('loki_compactor_removed_entries_total', 'compactor')),
    ],
  },
  {
    title: 'Sweep',
    panels: [
      curves(
        'Objects that wait for their deletion',
        'short',
        'pod',
        `sum by (pod) (${select('loki_boltdb_shipper_retention_sweeper_marker_files_current', 'compactor')})`,
      ),
      rateBy(
        'Objects deleted, by reason',
        'ops',
        'reason',
        select('loki_compactor_objects_deleted_total', 'compactor'),
      ),
    ],
  },
]);

export const deletion = system('deletion', 'Deletion', 'Delete requests, from the request to the last row.', [
  {
    title: 'Requests',
    panels: [
      stat(
        'Due and not done',
        'short',
        `max(${select('loki_compactor_pending_delete_requests_count', 'compactor')})`,
      ),
      stat(
        'Age of the oldest',
        's',
        `max(${select('loki_compactor_oldest_pending_delete_request_age_seconds', 'compactor')})`,
      ),
      rateBy('Received', 'ops', 'user', select('loki_compactor_delete_requests_received_total', 'compactor')),
      rateBy(
        'Carried out',
        'ops',
        'user',
        select('loki_compactor_delete_requests_processed_total', 'compactor'),
      ),
    ],
  },
  {
    title: 'Work',
    panels: [
      rateBy('Lines removed', 'ops', 'user', select('loki_compactor_deleted_lines', 'compactor')),
      rateBy(
        'Loads of requests, by outcome',
        'ops',
        'status',
        select('loki_compactor_load_pending_requests_attempts_total', 'compactor'),
      ),
    ],
  },
]);
