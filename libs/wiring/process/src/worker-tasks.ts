import { mergeDayTask, rewriteTask, verifyTask } from '@loki/compactor';
import { decodePushTask } from '@loki/distributor';
import { fieldsTask, leafTask, volumeTask } from '@loki/engine';
import { summarizeTask } from '@loki/patterns';
import { streamsTask } from '@loki/querier';
import { expandAlertsTask } from '@loki/ruler';
import { NodeClock, NodeTimers, serveTasks } from '@loki/runtime';
import { encodeRecordsTask, mergeTask } from '@loki/segment';
import { observedObjectStore } from '@loki/telemetry';
import { openObjectStore } from './stores/object-store.ts';
import type { WorkerData } from './stores/object-store.ts';
import { reportingObserver } from './stores/store-reports.ts';

/** Runs the heavy tasks of all roles; workers read the object store themselves. */
export function serve(): void {
  const tasks = [
    leafTask,
    volumeTask,
    fieldsTask,
    streamsTask,
    encodeRecordsTask,
    decodePushTask,
    mergeTask,
    summarizeTask,
    mergeDayTask,
    rewriteTask,
    verifyTask,
    expandAlertsTask,
  ];
  const clock = new NodeClock();
  const timers = new NodeTimers();
  serveTasks(tasks, (data) => {
    const { storage, blockCacheBytes, leafBytesMax, reportsChannel } = data as WorkerData;
    const observer = reportingObserver(reportsChannel, timers);
    return {
      objectStore: observedObjectStore(openObjectStore(storage, observer), observer, clock),
      clock,
      cache: new Map<string, unknown>(),
      cacheBytesMax: blockCacheBytes,
      stateBytesMax: leafBytesMax,
    };
  });
}
