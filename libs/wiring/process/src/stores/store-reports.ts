/**
 * Metrics of the object store from worker threads, which read the store themselves: reported to the main
 * thread.
 */
import { BroadcastChannel } from 'node:worker_threads';
import type { TimerHandle, Timers } from '@loki/ports';
import type { BucketRequest, StoreCall, StoreObserver } from '@loki/telemetry';

/** Calls and requests of a worker thread since its last report. */
interface StoreReport {
  readonly calls: readonly StoreCall[];
  readonly requests: readonly BucketRequest[];
}

const reportPauseMs = 1_000;
/** Entries of one report; a thread with more calls in a second reports earlier. */
const reportMax = 1_000;

/** In a worker thread: collects calls and requests, and reports them to the main thread each second. */
export function reportingObserver(channelName: string, timers: Timers): StoreObserver {
  const channel = new BroadcastChannel(channelName);
  channel.unref();
  let calls: StoreCall[] = [];
  let requests: BucketRequest[] = [];
  let timer: TimerHandle | undefined;
  const report = () => {
    timer?.cancel();
    timer = undefined;
    channel.postMessage({ calls, requests } satisfies StoreReport);
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

/** In the main thread: passes the reports of worker threads to `observer`, until it is closed. */
export function observeReports(channelName: string, observer: StoreObserver): { close(): void } {
  const channel = new BroadcastChannel(channelName);
  channel.unref();
  channel.onmessage = (event) => {
    const { calls, requests } = (event as { data: StoreReport }).data;
    for (const call of calls) observer.called(call);
    for (const request of requests) observer.requested(request);
  };
  return channel;
}
