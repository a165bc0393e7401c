/**
 * Metrics of the object store from worker threads, which read the store themselves: reported to the main
 * thread.
 */
import type { TimerHandle, Timers } from '@loki/ports';
import type { BucketRequest, StoreCall, StoreObserver } from '@loki/telemetry';

/** Calls and requests of a worker thread since its last report. */
export interface StoreReport {
  readonly calls: readonly StoreCall[];
  readonly requests: readonly BucketRequest[];
}

const reportPauseMs = 1_000;
/** Entries of one report; a thread with more calls in a second reports earlier. */
const reportMax = 1_000;

/** In a worker thread: collects calls and requests, and reports them to the main thread each second. */
export function reportingObserver(send: (report: StoreReport) => void, timers: Timers): StoreObserver {
  let calls: StoreCall[] = [];
  let requests: BucketRequest[] = [];
  let timer: TimerHandle | undefined;
  const report = () => {
    timer?.cancel();
    timer = undefined;
    send({ calls, requests });
    [calls, requests] = [[], []];
  };
  const planReport = () => {
    if (calls.length + requests.length >= reportMax) return report();
    timer ??= timers.after(reportPauseMs, report);
  };
  return {
    called(call) {
      calls.push(call);
      planReport();
    },
    requested(request) {
      requests.push(request);
      planReport();
    },
  };
}

/** In the main thread: passes the report of a worker thread to the observer. */
export function observeReport({ calls, requests }: StoreReport, observer: StoreObserver): void {
  for (const call of calls) observer.called(call);
  for (const request of requests) observer.requested(request);
}
