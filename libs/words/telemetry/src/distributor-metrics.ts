/** Metrics of the distributor: steps *admit* to *write log* of a written line. */
import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** The accepted entries of one push for one policy. */
interface AcceptedPush {
  readonly tenant: string;
  readonly format: string;
  readonly lines: number;
  /** Line and metadata bytes. */
  readonly bytes: number;
  readonly metadataBytes: number;
  readonly retentionHours: string;
  /** '' : none. */
  readonly policy: string;
}

interface PushLag {
  readonly tenant: string;
  readonly format: string;
  readonly lagMs: number;
  readonly userAgent: string;
}

/** The discarded entries of one push for one reason. */
interface DiscardedEntries {
  readonly tenant: string;
  readonly format: string;
  readonly policy: string;
  readonly reason: string;
  readonly lines: number;
  readonly bytes: number;
}

/** A record that the write log acknowledged. */
interface AppendedRecord {
  readonly partition: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Number of pushes in the record. */
  readonly pushes: number;
}

function partitionName(partition: number): string {
  return `partition-${partition}`;
}

/** Upper ends of the buckets of line sizes, in bytes; lines beyond the last count in +Inf only. */
export const lineBytesBuckets: readonly number[] = exponentialBuckets(1, 8, 8);

/** The distributor's counters under Loki's names. */
export type DistributorMetrics = ReturnType<typeof distributorMetrics>;

/** The distributor's counters under Loki's names. Counting costs one addition a push, not one a line. */
export function distributorMetrics(metrics: Metrics) {
  const inflight = metrics.gauge('loki_distributor_inflight_bytes', 'Body bytes of pushes in progress.');
  return {
    ...discardMetrics(metrics),
    ...acceptedMetrics(metrics),
    ...pushMetrics(metrics),
    ...appendMetrics(metrics),
    inflightBytes: (bytes: number) => inflight.set(bytes),
  };
}

/** Entries that were refused or changed. */
function discardMetrics(metrics: Metrics) {
  const discardLabels = ['format', 'policy', 'reason', 'retention_hours', 'tenant'] as const;
  const discardedSamples = metrics.counter(
    'loki_discarded_samples_total',
    'Lines refused at ingest by reason.',
    discardLabels,
  );
  const discardedBytes = metrics.counter(
    'loki_discarded_bytes_total',
    'Bytes refused at ingest by reason.',
    discardLabels,
  );
  const mutated = metrics.counter('loki_mutated_samples_total', 'Lines changed at ingest by reason.', [
    'reason',
    'truncated',
    'tenant',
  ]);
  return {
    discarded({ tenant, format, policy, reason, lines, bytes }: DiscardedEntries): void {
      const labels = { format, policy, reason, retention_hours: '', tenant };
      discardedSamples.inc(labels, lines);
      discardedBytes.inc(labels, bytes);
    },
    truncated: (tenant: string, lines: number) =>
      mutated.inc({ reason: 'line_too_long', truncated: 'true', tenant }, lines),
  };
}

/** Entries that were accepted. */
function acceptedMetrics(metrics: Metrics) {
  const bytesReceived = metrics.counter(
    'loki_distributor_bytes_received_total',
    'Uncompressed bytes accepted, metadata included.',
    ['format', 'is_internal_stream', 'policy', 'retention_hours', 'tenant'],
  );
  const metadataBytes = metrics.counter(
    'loki_distributor_structured_metadata_bytes_received_total',
    'Structured metadata bytes accepted.',
    ['format', 'is_internal_stream', 'policy', 'retention_hours', 'tenant'],
  );
  const linesReceived = metrics.counter('loki_distributor_lines_received_total', 'Lines accepted.', [
    'format',
    'is_internal_stream',
    'policy',
    'tenant',
  ]);
  const lag = metrics.counter(
    'loki_distributor_lag_ms_total',
    'Milliseconds from the newest entry of a push to its arrival, summed over pushes.',
    ['format', 'tenant', 'userAgent'],
  );
  const lineBytes = new LineSizes(metrics);
  return {
    accepted(push: AcceptedPush): void {
      const { tenant, format } = push;
      const labels = { format, is_internal_stream: 'false', policy: push.policy, tenant };
      const sized = { ...labels, retention_hours: push.retentionHours };
      linesReceived.inc(labels, push.lines);
      bytesReceived.inc(sized, push.bytes);
      metadataBytes.inc(sized, push.metadataBytes);
    },
    /** Counts the delay of one push: receive time minus time of the newest entry. */
    lagged({ tenant, format, userAgent, lagMs }: PushLag): void {
      if (lagMs > 0) lag.inc({ format, tenant, userAgent }, lagMs);
    },
    /**
     * Adds lines by size: `counts[i]` for bucket i of `lineBytesBuckets`, the last count for larger lines.
     */
    lineSizes: (counts: ArrayLike<number>, totalBytes: number) => lineBytes.add(counts, totalBytes),
  };
}

/** Pushes as they arrive. */
function pushMetrics(metrics: Metrics) {
  const pushes = metrics.counter('loki_distributor_push_stats_count', 'Pushes by type and encoding.', [
    'content_encoding',
    'content_type',
    'content_version',
    'format',
    'tenant',
  ]);
  return {
    pushed(tenant: string, format: string, contentType: string, contentEncoding: string): void {
      pushes.inc({
        content_encoding: contentEncoding,
        content_type: contentType,
        content_version: format === 'otlp' ? 'v1' : '',
        format,
        tenant,
      });
    },
  };
}

/** Records of the write log. */
function appendMetrics(metrics: Metrics) {
  const appendLatency = metrics.histogram(
    'loki_distributor_kafka_latency_seconds',
    'From the seal of a batch to the acknowledgement of the write log.',
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  );
  const recordsPerWrite = metrics.histogram(
    'loki_distributor_kafka_records_per_write_request',
    'Pushes that one write-log record carries.',
    exponentialBuckets(1, 2, 8),
  );
  const sentBytes = metrics.counter(
    'loki_distributor_kafka_sent_bytes_total',
    'Bytes appended to the write log.',
  );
  const failures = metrics.counter(
    'loki_distributor_append_failures_total',
    'Records that the write log did not acknowledge.',
  );
  const appends = metrics.counter(
    'loki_distributor_ingester_appends_total',
    'Records appended, by the partition that takes the place of an ingester.',
    ['ingester'],
  );
  const ingesterFailures = metrics.counter(
    'loki_distributor_ingester_append_failures_total',
    'Records that the write log did not acknowledge, by partition.',
    ['ingester'],
  );
  return {
    appended({ partition, seconds, bytes, pushes: pushCount }: AppendedRecord): void {
      appends.inc({ ingester: partitionName(partition) });
      appendLatency.observe(seconds);
      sentBytes.inc(bytes);
      recordsPerWrite.observe(pushCount);
    },
    appendFailed(partition: number): void {
      failures.inc();
      ingesterFailures.inc({ ingester: partitionName(partition) });
    },
  };
}

/**
 * The histogram `loki_bytes_per_line`. Observing each line would cost more than decoding it, so whole pushes
 * are counted, and a scrape assembles the histogram.
 */
class LineSizes {
  readonly #counts = new Float64Array(lineBytesBuckets.length + 1);
  #sum = 0;

  constructor(metrics: Metrics) {
    const name = 'loki_bytes_per_line';
    const histogram = metrics.histogram(name, 'Bytes of each accepted line.', lineBytesBuckets);
    const described = histogram as unknown as {
      name: string;
      help: string;
      getForPromString(): Promise<unknown>;
    };
    described.getForPromString = async () => ({
      name: described.name,
      help: described.help,
      type: 'histogram',
      aggregator: 'sum',
      values: this.#values(described.name),
    });
  }

  add(counts: ArrayLike<number>, totalBytes: number): void {
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i] += counts[i];
    this.#sum += totalBytes;
  }

  #values(name: string) {
    let total = 0;
    const buckets = Array.from(this.#counts, (count, i) => {
      total += count;
      const le = i < lineBytesBuckets.length ? lineBytesBuckets[i] : '+Inf';
      return { labels: { le }, value: total, metricName: `${name}_bucket` };
    });
    return [
      ...buckets,
      { labels: {}, value: this.#sum, metricName: `${name}_sum` },
      { labels: {}, value: total, metricName: `${name}_count` },
    ];
  }
}
