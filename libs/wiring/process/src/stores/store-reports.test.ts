/** Protects the store's metrics: calls of worker threads, which read most of it, are counted too. */
import { NodeTimers } from '@loki/runtime';
import type { BucketRequest, StoreCall } from '@loki/telemetry';
import { observeReports, reportingObserver } from './store-reports.ts';

const call: StoreCall = { operation: 'get_range', seconds: 0.01, isFailed: false, fetchedBytes: 100 };
const request: BucketRequest = { method: 'GET', operation: 'S3.GetObject', status: 206, seconds: 0.01 };

test('a full report arrives at once, on its own channel alone', async () => {
  const calls = { own: 0, other: 0 };
  const { promise: complete, resolve } = Promise.withResolvers<void>();
  const requests: BucketRequest[] = [];
  const own = observeReports('reports-a', {
    called: () => void calls.own++,
    requested(each) {
      requests.push(each);
      resolve();
    },
  });
  const other = observeReports('reports-b', { called: () => void calls.other++, requested: () => undefined });
  const observer = reportingObserver('reports-a', new NodeTimers());
  for (let i = 0; i < 999; i++) observer.called(call);
  observer.requested(request);
  await complete;
  expect(calls).toEqual({ own: 999, other: 0 });
  expect(requests).toEqual([request]);
  own.close();
  other.close();
});
