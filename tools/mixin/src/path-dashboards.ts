/** Dashboards of the write path and the read path, and the overview for operators, from Prometheus. */
import {
  curves,
  durations,
  latency,
  pushRoutes,
  queryRoutes,
  rate,
  rateBy,
  requests,
  select,
  selectAll,
  stat,
  topRateBy,
} from './promql.ts';
import { resourceRows, store, system } from './system-dashboard.ts';

export const writes = system('writes', 'Writes', 'The way of a line into the store.', [
  {
    title: 'Volume',
    panels: [
      stat('Lines', 'ops', `sum(${rate(select('loki_distributor_lines_received_total', 'distributor'))})`),
      stat('Bytes', 'binBps', `sum(${rate(select('loki_distributor_bytes_received_total', 'distributor'))})`),
      stat('Streams in memory', 'short', `sum(${select('loki_ingester_memory_streams', 'ingester')})`),
      stat('Lines refused', 'ops', `sum(${rate(select('loki_discarded_samples_total', 'distributor'))})`),
    ],
  },
  {
    title: 'Gateway',
    panels: [requests('Pushes', 'gateway', pushRoutes), latency('Time of pushes', 'gateway', pushRoutes)],
  },
  {
    title: 'Distributor',
    panels: [
      topRateBy(
        'Lines, ten largest tenants',
        'ops',
        'tenant',
        select('loki_distributor_lines_received_total', 'distributor'),
      ),
      topRateBy(
        'Bytes, ten largest tenants',
        'binBps',
        'tenant',
        select('loki_distributor_bytes_received_total', 'distributor'),
      ),
      rateBy(
        'Lines refused, by reason',
        'ops',
        'reason',
        select('loki_discarded_samples_total', 'distributor'),
      ),
      curves(
        'Bytes in progress',
        'bytes',
        'pod',
        `sum by (pod) (${select('loki_distributor_inflight_bytes', 'distributor')})`,
      ),
    ],
  },
  {
    title: 'Write log',
    panels: [
      durations('Time to the acknowledgement', (suffix) =>
        select(`loki_distributor_kafka_latency_seconds_${suffix}`, 'distributor'),
      ),
      rateBy(
        'Bytes appended',
        'binBps',
        'pod',
        select('loki_distributor_kafka_sent_bytes_total', 'distributor'),
      ),
      rateBy(
        'Appends not acknowledged',
        'ops',
        'pod',
        select('loki_distributor_append_failures_total', 'distributor'),
      ),
      curves(
        'Records not consumed yet',
        'short',
        'partition',
        `max by (partition) (${select('loki_ingester_partition_lag_records', 'ingester')})`,
      ),
    ],
  },
  {
    title: 'Ingester',
    panels: [
      curves(
        'Memory of heads',
        'bytes',
        'pod',
        `sum by (pod) (${select('loki_ingester_memory_bytes', 'ingester')})`,
      ),
      curves(
        'Age of the oldest record that waits',
        's',
        'partition',
        `max by (partition) (${select('loki_ingester_partition_oldest_seconds', 'ingester')})`,
      ),
      rateBy('Flushes, by reason', 'ops', 'reason', select('loki_ingester_chunks_flushed_total', 'ingester')),
      rateBy('Failed flushes', 'ops', 'pod', select('loki_ingester_chunks_flush_failures_total', 'ingester')),
    ],
  },
  store('ingester', 'upload'),
]);

export const reads = system('reads', 'Reads', 'The way of a query to its answer.', [
  {
    title: 'Gateway',
    panels: [
      requests('Queries', 'gateway', queryRoutes),
      latency('Time of queries', 'gateway', queryRoutes),
      curves(
        'p99, by route',
        's',
        'route',
        `histogram_quantile(0.99, sum by (le, route) (${rate(select('loki_request_duration_seconds_bucket', 'gateway', `route=~"${queryRoutes}"`))}))`,
      ),
    ],
  },
  {
    title: 'Queue',
    panels: [
      curves(
        'Parts that wait, ten largest tenants',
        'short',
        'user',
        `topk(10, sum by (user) (${select('loki_query_scheduler_queue_length', 'gateway')}))`,
      ),
      durations('Time in the queue', (suffix) =>
        select(`loki_query_scheduler_queue_duration_seconds_${suffix}`, 'gateway'),
      ),
      curves(
        'Parts in progress, 0.75 quantile',
        'short',
        'pod',
        `sum by (pod) (${select('loki_query_scheduler_inflight_requests', 'gateway', 'quantile="0.75"')})`,
      ),
      curves(
        'Queries in progress',
        'short',
        'pod',
        `sum by (pod) (${select('loki_query_frontend_queries_in_progress', 'gateway')})`,
      ),
    ],
  },
  {
    title: 'Work',
    panels: [
      topRateBy(
        'Bytes read, ten largest tenants',
        'binBps',
        'tenant',
        select('loki_logql_querystats_bytes_processed_total', 'gateway'),
      ),
      rateBy(
        'Lines from memory',
        'ops',
        'pod',
        select('loki_logql_querystats_ingester_sent_lines_total', 'gateway'),
      ),
      curves(
        'Parts of queries by one query, mean',
        'short',
        '',
        `sum(${rate(select('loki_query_frontend_partitions_sum', 'gateway'))}) / sum(${rate(select('loki_query_frontend_partitions_count', 'gateway'))})`,
      ),
      curves(
        'Results found in the cache',
        'percentunit',
        'name',
        `sum by (name) (${rate(selectAll('loki_cache_hits'))}) / sum by (name) (${rate(selectAll('loki_cache_fetched_keys'))})`,
      ),
    ],
  },
  {
    title: 'Ingester',
    panels: [
      requests('Questions about heads', 'ingester', '/logproto.Querier/.+'),
      latency('Time of questions about heads', 'ingester', '/logproto.Querier/.+'),
    ],
  },
  store('querier', 'get|get_range|iter'),
]);

export const writesResources = system(
  'writes-resources',
  'Writes Resources',
  'CPU, memory and event loops of components that take lines.',
  resourceRows(['gateway', 'distributor', 'ingester']),
);

export const readsResources = system(
  'reads-resources',
  'Reads Resources',
  'CPU, memory and event loops of components that answer.',
  resourceRows(['gateway', 'querier', 'ingester', 'ruler']),
);

export const operational = system('operational', 'Operational', 'Where to look first at night.', [
  {
    title: 'Health',
    panels: [
      stat(
        'Answers of 5xx',
        'percentunit',
        `sum(${rate(selectAll('loki_request_duration_seconds_count', 'status_code=~"5.."'))}) / sum(${rate(selectAll('loki_request_duration_seconds_count'))})`,
      ),
      stat('Unforeseen failures, 1 h', 'short', `sum(increase(${selectAll('loki_panic_total')}[1h]))`),
      stat('Processes', 'short', `count(${selectAll('loki_build_info')})`),
      stat(
        'Members not active',
        'short',
        `sum(${selectAll('loki_ring_members', 'state!="ACTIVE"')}) or vector(0)`,
      ),
    ],
  },
  {
    title: 'Requests',
    panels: [
      rateBy('Requests, by route', 'reqps', 'route', selectAll('loki_request_duration_seconds_count')),
      rateBy(
        'Answers of 5xx, by route',
        'reqps',
        'route',
        selectAll('loki_request_duration_seconds_count', 'status_code=~"5.."'),
      ),
      rateBy('Own log lines, by level', 'ops', 'level', selectAll('loki_internal_log_messages_total')),
    ],
  },
  {
    title: 'Ring',
    panels: [
      curves(
        'Members, by state',
        'short',
        'state',
        `sum by (name, state) (${selectAll('loki_ring_members')})`,
      ),
      curves(
        'Age of the oldest heartbeat',
        's',
        'name',
        `time() - min by (name) (${selectAll('loki_ring_oldest_member_timestamp')} > 0)`,
      ),
      durations('Time of calls to Redis', (suffix) =>
        selectAll(`loki_kv_request_duration_seconds_${suffix}`),
      ),
    ],
  },
  {
    title: 'Object store',
    panels: [
      rateBy(
        'Requests, by operation',
        'reqps',
        'operation',
        selectAll('loki_s3_request_duration_seconds_count'),
      ),
      rateBy(
        'Requests, by status',
        'reqps',
        'status',
        selectAll('loki_objstore_bucket_transport_requests_total'),
      ),
      durations('Time of requests', (suffix) => selectAll(`loki_s3_request_duration_seconds_${suffix}`)),
    ],
  },
  {
    title: 'Rules',
    panels: [
      rateBy('Evaluations', 'ops', 'user', selectAll('loki_prometheus_rule_evaluations_total')),
      rateBy(
        'Failed evaluations',
        'ops',
        'user',
        selectAll('loki_prometheus_rule_evaluation_failures_total'),
      ),
      rateBy(
        'Evaluations missed',
        'ops',
        'user',
        selectAll('loki_prometheus_rule_group_iterations_missed_total'),
      ),
    ],
  },
]);
