import type { Clock, ObjectInfo, ObjectStore } from '@loki/ports';
import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

const durationBuckets = [0.001, 0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120];

/**
 * The same store, counted: each call with its time and whether it failed, and the sizes of what was fetched.
 * A key that is not there is an answer, not a failure.
 */
export function measuredObjectStore(
  store: ObjectStore,
  metrics: Metrics,
  options: { readonly bucket: string; readonly clock: Clock },
): ObjectStore {
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
    'Sizes fetched.',
    exponentialBuckets(1024, 4, 9),
    ['source'],
  );
  const { bucket, clock } = options;

  async function measure<T>(operation: string, call: () => Promise<T>): Promise<T> {
    const labels = { bucket, operation };
    const started = clock.monotonicMs();
    operations.inc(labels);
    try {
      return await call();
    } catch (error) {
      if ((error as { code?: string }).code !== 'notFound') failures.inc(labels);
      throw error;
    } finally {
      durations.observe(labels, (clock.monotonicMs() - started) / 1000);
    }
  }

  async function measureFetch(operation: string, call: () => Promise<Buffer>): Promise<Buffer> {
    const bytes = await measure(operation, call);
    fetched.observe({ source: 'store' }, bytes.length);
    return bytes;
  }

  return {
    put: (key, bytes, signal) => measure('upload', () => store.put(key, bytes, signal)),
    putIfAbsent: (key, bytes, signal) => measure('upload', () => store.putIfAbsent(key, bytes, signal)),
    get: (key, signal) => measureFetch('get', () => store.get(key, signal)),
    getRange: (key, offset, length, signal) =>
      measureFetch('get_range', () => store.getRange(key, offset, length, signal)),
    getTail: async (key, length, signal) => {
      const tail = await measure('get_range', () => store.getTail(key, length, signal));
      fetched.observe({ source: 'store' }, tail.bytes.length);
      return tail;
    },
    async *list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo> {
      operations.inc({ bucket, operation: 'iter' });
      try {
        yield* store.list(prefix, startAfter);
      } catch (error) {
        failures.inc({ bucket, operation: 'iter' });
        throw error;
      }
    },
    delete: (key) => measure('delete', () => store.delete(key)),
  };
}
