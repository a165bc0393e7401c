/** Protects the store's metrics: calls of worker threads, which read most of it, are counted too. */
import { NodeTimers } from '@loki/runtime';
import type { BucketRequest, StoreCall } from '@loki/telemetry';
import { observeReport, reportingObserver } from './store-reports.ts';
import type { StoreReport } from './store-reports.ts';

const call: StoreCall = { operation: 'get_range', seconds: 0.01, isFailed: false, fetchedBytes: 100 };
const request: BucketRequest = { method: 'GET', operation: 'S3.GetObject', status: 206, seconds: 0.01 };

test('a full report is sent at once, and its calls and requests reach the observer', () => {
  const reports: StoreReport[] = [];
  const observer = reportingObserver((report) => reports.push(report), new NodeTimers());
  for (let i = 0; i < 999; i++) observer.called(call);
  expect(reports).toEqual([]);
  observer.requested(request);
  expect(reports).toHaveLength(1);
  const calls: StoreCall[] = [];
  const requests: BucketRequest[] = [];
  observeReport(reports[0], {
    called: (each) => calls.push(each),
    requested: (each) => requests.push(each),
  });
  expect(calls).toHaveLength(999);
  expect(requests).toEqual([request]);
});
