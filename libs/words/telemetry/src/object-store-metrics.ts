/** Metrics of the object store and of the requests to a bucket. */
import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

const operationNames = ['upload', 'get', 'get_range', 'iter', 'delete'] as const;

/** One call to the port ObjectStore with its outcome, all retries included. */
export interface StoreCall {
  readonly operation: (typeof operationNames)[number];
  readonly seconds: number;
  readonly isFailed: boolean;
  /** Bytes of the answer; undefined: the call fetches none. */
  readonly fetchedBytes?: number;
}

/** One HTTP request to a bucket: one attempt of a call. */
export interface BucketRequest {
  readonly method: string;
  /** S3's name: `S3.GetObject`. */
  readonly operation: string;
  /** Status of the answer; 0: no answer. */
  readonly status: number;
  readonly seconds: number;
}

/** Observes each call to the store and each HTTP request of the call. */
export interface StoreObserver {
  called(call: StoreCall): void;
  requested(request: BucketRequest): void;
}

const durationBuckets = [0.001, 0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120];

/** An observer that counts calls and requests under Loki's names. */
export function objectStoreMetrics(metrics: Metrics, bucket: string): StoreObserver {
  const labelNames = ['bucket', 'operation'] as const;
  const operations = metrics.counter(
    'loki_objstore_bucket_operations_total',
    'Calls to the bucket.',
    labelNames,
  );
  const failures = metrics.counter(
    'loki_objstore_bucket_operation_failures_total',
    'Failed calls to the bucket.',
    labelNames,
  );
  const durations = metrics.histogram(
    'loki_objstore_bucket_operation_duration_seconds',
    'Time of calls to the bucket.',
    durationBuckets,
    labelNames,
  );
  const fetched = metrics.histogram(
    'loki_chunk_fetcher_fetched_size_bytes',
    'Bytes of each fetch from the store.',
    exponentialBuckets(1024, 4, 9),
    ['source'],
  );
  const requests = metrics.counter(
    'loki_objstore_bucket_transport_requests_total',
    'HTTP requests to the bucket; status 0: no answer.',
    ['bucket', 'method', 'status'],
  );
  const requestSeconds = metrics.histogram(
    'loki_s3_request_duration_seconds',
    'Time of HTTP requests to the bucket until the head of the answer.',
    exponentialBuckets(0.005, 4, 7),
    ['operation', 'status_code'],
  );
  // Zero until something fails: a rate needs the series from the beginning.
  for (const operation of operationNames) failures.inc({ bucket, operation }, 0);
  return {
    called({ operation, seconds, isFailed, fetchedBytes }) {
      const labels = { bucket, operation };
      operations.inc(labels);
      if (isFailed) failures.inc(labels);
      durations.observe(labels, seconds);
      if (fetchedBytes !== undefined) fetched.observe({ source: 'store' }, fetchedBytes);
    },
    requested({ method, operation, status, seconds }) {
      requests.inc({ bucket, method, status: String(status) });
      requestSeconds.observe({ operation, status_code: String(status) }, seconds);
    },
  };
}
