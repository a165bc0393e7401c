/** Metrics of queries: the frontend, its queue and the engine, steps *admit* to *respond* of a query. */
import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** A finished query, answered or failed. */
interface AnsweredQuery {
  readonly tenant: string;
  /** `filter`, `limited`, `metric`, `labels`, `series`, `stats`, `volume`. */
  readonly type: string;
  readonly range: 'instant' | 'range';
  readonly statusCode: string;
  readonly isSharded: boolean;
  readonly seconds: number;
  /** Uncompressed bytes that were scanned. */
  readonly bytes: number;
  readonly chunks: number;
  /** Blocks that search filters ruled out. */
  readonly blocksRuledOut: number;
  readonly fetchSeconds: number;
  readonly headLines: number;
  readonly splits: number;
  readonly shards: number;
}

/** Events of queries in a frontend, its queue and the engine. */
export interface QueryMetrics {
  started(): void;
  answered(query: AnsweredQuery): void;
  /** One part of a query waits for a querier. */
  enqueued(tenant: string): void;
  /** The part has left the queue, because it started or was cancelled. */
  dequeued(tenant: string, waitedSeconds: number): void;
  /** Parts that wait or are computed; queriers are scaled by their number. */
  inflight(count: number): void;
  retried(times: number): void;
  cached(isHit: boolean): void;
  /** Entries that the client of a tail was too slow for, wherever they were dropped. */
  tailDropped(tenant: string, entries: number): void;
}

/** The metrics of queries under Loki's names. */
export function queryMetrics(metrics: Metrics): QueryMetrics {
  const inProgress = metrics.gauge('loki_query_frontend_queries_in_progress', 'Queries in the frontend.');
  const splits = metrics.histogram(
    'loki_query_frontend_partitions',
    'Time splits per query.',
    exponentialBuckets(1, 4, 5),
  );
  const shards = metrics.histogram(
    'loki_query_frontend_shard_factor',
    'Shards per query.',
    [0, ...exponentialBuckets(1, 4, 8)],
    ['mapper'],
  );
  const retries = metrics.histogram(
    'loki_query_frontend_retries',
    'Retries per part of a query.',
    [0, 1, 2, 3, 4, 5],
  );
  const hits = metrics.counter(
    'loki_query_frontend_log_result_cache_hit_total',
    'Answers found in the cache.',
  );
  const misses = metrics.counter(
    'loki_query_frontend_log_result_cache_miss_total',
    'Answers not in the cache.',
  );
  const tailDropped = metrics.counter(
    'loki_query_frontend_tail_dropped_entries_total',
    'Entries that clients of tails were too slow for.',
    ['user'],
  );
  const queue = queueMetrics(metrics);
  const engine = engineMetrics(metrics);
  return {
    started: () => inProgress.inc(),
    answered(query) {
      inProgress.dec();
      splits.observe(query.splits);
      if (query.isSharded) shards.observe({ mapper: 'log' }, query.shards);
      engine(query);
    },
    retried: (times) => retries.observe(times),
    cached: (isHit) => (isHit ? hits : misses).inc(),
    tailDropped: (user, entries) => tailDropped.inc({ user }, entries),
    ...queue,
  };
}

function queueMetrics(metrics: Metrics): Pick<QueryMetrics, 'enqueued' | 'dequeued' | 'inflight'> {
  const length = metrics.gauge(
    'loki_query_scheduler_queue_length',
    'Parts of queries that wait for a querier.',
    ['user'],
  );
  const enqueued = metrics.counter('loki_query_scheduler_enqueue_count', 'Parts of queries queued.', [
    'level',
    'user',
  ]);
  const waiting = metrics.histogram(
    'loki_query_scheduler_queue_duration_seconds',
    'Time waiting in the queue.',
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  );
  const inflight = metrics.summary(
    'loki_query_scheduler_inflight_requests',
    'Parts of queries waiting or being worked on.',
    [0.5, 0.75, 0.8, 0.9, 0.95, 0.99],
  );
  metrics.gauge('loki_query_scheduler_running', '1 when this process schedules queries.').set(1);
  return {
    enqueued(user) {
      length.inc({ user });
      enqueued.inc({ level: '0', user });
    },
    dequeued(user, waitedSeconds) {
      length.dec({ user });
      waiting.observe(waitedSeconds);
    },
    inflight: (count) => inflight.observe(count),
  };
}

const latencyBuckets = exponentialBuckets(0.25, 2, 9);
const classLabels = ['range', 'status_code', 'type'] as const;

function engineMetrics(metrics: Metrics): (query: AnsweredQuery) => void {
  const duration = metrics.histogram(
    'logql_query_duration_seconds',
    'Time to answer a query.',
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ['query_type'],
  );
  const latency = metrics.histogram(
    'loki_logql_querystats_latency_seconds',
    'Time to answer a query, by its class.',
    latencyBuckets,
    classLabels,
  );
  const throughput = metrics.histogram(
    'loki_logql_querystats_bytes_processed_per_seconds',
    'Bytes looked at per second.',
    exponentialBuckets(50e6, 2, 10),
    [...classLabels, 'latency_type', 'sharded'],
  );
  const bytes = metrics.counter('loki_logql_querystats_bytes_processed_total', 'Bytes looked at.', [
    'tenant',
  ]);
  const fetch = metrics.histogram(
    'loki_logql_querystats_chunk_download_latency_seconds',
    'Time fetching from the store.',
    latencyBuckets,
    classLabels,
  );
  const chunks = metrics.counter(
    'loki_logql_querystats_downloaded_chunk_total',
    'Blocks fetched.',
    classLabels,
  );
  const ruledOut = metrics.counter(
    'loki_logql_querystats_blocks_ruled_out_total',
    'Blocks not fetched because their search filters ruled them out.',
  );
  const head = metrics.counter(
    'loki_logql_querystats_ingester_sent_lines_total',
    'Lines that came from memory.',
  );
  return (query) => {
    const labels = { range: query.range, status_code: query.statusCode, type: query.type };
    duration.observe({ query_type: query.type }, query.seconds);
    latency.observe(labels, query.seconds);
    if (query.seconds > 0) {
      throughput.observe(
        {
          ...labels,
          // Loki's threshold for a slow query is ten seconds.
          latency_type: query.seconds > 10 ? 'slow' : 'fast',
          sharded: String(query.isSharded),
        },
        query.bytes / query.seconds,
      );
    }
    bytes.inc({ tenant: query.tenant }, query.bytes);
    fetch.observe(labels, query.fetchSeconds);
    chunks.inc(labels, query.chunks);
    ruledOut.inc(query.blocksRuledOut);
    head.inc(query.headLines);
  };
}
