/** The tasks of worker threads, and the main loop of such a thread. */
import { HedgedObjectStore, observedObjectStore, StoreTimes } from '@loki/object-store';
import { IdleCaches, IdleCollection, NodeClock, NodeTimers, serveTasks } from '@loki/runtime';
import type { TaskPackage } from '@loki/runtime';
import { diskCacheOfWorker } from './stores/disk-cache-of-worker.ts';
import { openObjectStore } from './stores/object-store.ts';
import type { WorkerData, WorkerReport } from './stores/object-store.ts';
import { reportingObserver } from './stores/store-reports.ts';

/**
 * The heavy tasks of all roles. A thread loads a task's code with its first call: all of them take 0.1 s of
 * CPU and 20 MiB, which the first query would pay on each thread.
 */
const packages: readonly TaskPackage[] = [
  {
    prefix: 'engine.',
    load: async () => {
      const { fieldsTask, leafTask, leavesTask, openTask, streamsTask, volumeTask } =
        await import('@loki/engine');
      return [leafTask, leavesTask, openTask, volumeTask, fieldsTask, streamsTask];
    },
  },
  {
    prefix: 'segment.',
    load: async () => {
      const { encodeRecordsTask, mergeTask } = await import('@loki/segment');
      return [encodeRecordsTask, mergeTask];
    },
  },
  {
    prefix: 'distributor.',
    load: async () => [(await import('@loki/distributor')).decodePushTask],
  },
  {
    prefix: 'compactor.',
    load: async () => {
      const { mergeDaysTask, rewriteTask, verifyTask } = await import('@loki/compactor');
      return [mergeDaysTask, rewriteTask, verifyTask];
    },
  },
  {
    prefix: 'patterns.',
    load: async () => [(await import('@loki/patterns')).summarizeTask],
  },
  {
    prefix: 'gateway.',
    load: async () => {
      const { formatQueryTask, readQueriesTask } = await import('@loki/gateway');
      return [formatQueryTask, readQueriesTask];
    },
  },
  {
    prefix: 'ruler.',
    load: async () => {
      const { expandAlertsTask, readGroupTask } = await import('@loki/ruler');
      return [expandAlertsTask, readGroupTask];
    },
  },
];

/** The main loop of a worker thread, which reads the object store itself. */
export function serve(): void {
  const clock = new NodeClock();
  const timers = new NodeTimers();
  const collection = new IdleCollection();
  collection.start();
  serveTasks(packages, (data, send) => {
    const { storage, blockCacheBytes, cacheIdleMs, leafBytesMax, diskCache } = data as WorkerData;
    const report = (content: WorkerReport) => send(content);
    const observer = reportingObserver((store) => report({ store }), timers);
    const store = observedObjectStore(openObjectStore(storage, observer), observer, clock);
    const times = new StoreTimes();
    return {
      // No second requests for a directory: they would not be faster.
      objectStore: storage.kind === 's3' ? new HedgedObjectStore({ store, times, clock, timers }) : store,
      rangeCache: diskCache && diskCacheOfWorker(diskCache, times, (disk) => report({ disk })),
      clock,
      cache: new IdleCaches(cacheIdleMs, () => collection.collect()),
      cacheBytesMax: blockCacheBytes,
      stateBytesMax: leafBytesMax,
    };
  });
}
