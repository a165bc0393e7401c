/**
 * The cache on local disk in a thread that scans. It loads no code of metrics: the main thread counts what
 * threads report.
 */
import { DiskCache, DiskCacheIndex } from '@loki/object-store';
import type { DiskCacheMemory, DiskCacheReports, StoreTimes } from '@loki/object-store';
import type { RangeCache } from '@loki/ports';
import { NodeClock, NodeDisk, NodeRandom, NodeTimers } from '@loki/runtime';

/** How a worker thread reaches the cache. */
export interface DiskCacheData {
  readonly directory: string;
  readonly memory: DiskCacheMemory;
}

/** From a thread to the owner of the cache: the name and the argument of a call. */
export type DiskCacheReport = {
  readonly [Name in keyof DiskCacheReports]: readonly [Name, Parameters<DiskCacheReports[Name]>[0]];
}[keyof DiskCacheReports];

/** In a worker thread: the cache that the main thread has opened. */
export function diskCacheOfWorker(
  { directory, memory }: DiskCacheData,
  times: StoreTimes,
  tell: (report: DiskCacheReport) => void,
): RangeCache {
  return new DiskCache({
    index: new DiskCacheIndex(memory),
    disk: new NodeDisk(directory),
    reports: {
      written: (file) => tell(['written', file]),
      damaged: (file) => tell(['damaged', file]),
      lookedUp: (lookups) => tell(['lookedUp', lookups]),
      failed: (reason) => tell(['failed', reason]),
    },
    clock: new NodeClock(),
    timers: new NodeTimers(),
    random: new NodeRandom(),
    patienceMs: () => times.medianMs,
  });
}
