import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import { Metrics, objectStoreMetrics } from '@loki/telemetry';
import { observedObjectStore } from './observed-object-store.ts';

test('calls to the store are counted; a missing key is no failure', async () => {
  const metrics = new Metrics();
  const clock = { nowMs: () => 0, nowNs: () => 0n, monotonicMs: () => 0 };
  const inner = {
    get: (key: string) =>
      key === 'there' ? Promise.resolve(Buffer.alloc(10)) : Promise.reject(new LokiError('notFound', key)),
    put: () => Promise.reject(new LokiError('unavailable', 'down')),
    async *list() {
      yield { key: 'a', sizeBytes: 1 };
    },
  } as unknown as ObjectStore;
  const observer = objectStoreMetrics(metrics, 'logs');
  const store = observedObjectStore(inner, observer, clock);
  expect(await store.get('there')).toHaveLength(10);
  await expect(store.get('gone')).rejects.toThrow('gone');
  await expect(store.put('k', Buffer.alloc(1))).rejects.toThrow('down');
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  expect(keys).toEqual(['a']);
  observer.requested({ method: 'PUT', operation: 'S3.PutObject', status: 503, seconds: 0.02 });
  const text = await metrics.text();
  expect(text).toMatch(
    /^loki_objstore_bucket_transport_requests_total\{bucket="logs",method="PUT",status="503"\} 1$/m,
  );
  expect(text).toMatch(
    /^loki_s3_request_duration_seconds_count\{operation="S3.PutObject",status_code="503"\} 1$/m,
  );
  expect(text).toMatch(/^loki_objstore_bucket_operations_total\{bucket="logs",operation="get"\} 2$/m);
  expect(text).toMatch(
    /^loki_objstore_bucket_operation_failures_total\{bucket="logs",operation="upload"\} 1$/m,
  );
  for (const operation of ['get', 'get_range', 'iter', 'delete']) {
    expect(text).toContain(
      `loki_objstore_bucket_operation_failures_total{bucket="logs",operation="${operation}"} 0\n`,
    );
  }
  expect(text).toMatch(/^loki_chunk_fetcher_fetched_size_bytes_count\{source="store"\} 1$/m);
});
