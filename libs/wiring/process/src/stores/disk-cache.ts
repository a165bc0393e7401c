/**
 * The cache on local disk of footers and columns: opened by the main thread, used by the threads that scan.
 */
import fs from 'node:fs';
import type { Config } from '@loki/config';
import { DiskCache, DiskCacheIndex, DiskCacheOwner } from '@loki/object-store';
import type { DiskCacheMemory, DiskCacheReports, StoreTimes } from '@loki/object-store';
import type { Clock, Logger, RangeCache } from '@loki/ports';
import { NodeClock, NodeDisk, NodeRandom, NodeTimers } from '@loki/runtime';
import { diskCacheMetrics } from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import { lockDirectories } from './directory-lock.ts';

/** How a worker thread reaches the cache. */
export interface DiskCacheData {
  readonly directory: string;
  readonly memory: DiskCacheMemory;
}

interface OpenDiskCache {
  readonly data: DiskCacheData;
  /** Takes the reports of threads. */
  receive(report: DiskCacheReport): void;
  /** Lets go of the directory. */
  close(): void;
}

interface DiskCacheDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Without a bound the cache takes this part of what its file system has free. */
const freeShare = 1 / 4;
const defaultBytesMost = 64 * 2 ** 30;

/** From a thread to the owner of the cache: the name and the argument of a call. */
export type DiskCacheReport = {
  readonly [Name in keyof DiskCacheReports]: readonly [Name, Parameters<DiskCacheReports[Name]>[0]];
}[keyof DiskCacheReports];

/**
 * Opens the cache that the configuration names; undefined: none is wanted, or its directory will not do. A
 * cache is a help alone: no fault of its disk keeps a process from starting.
 */
export function openDiskCache(deps: DiskCacheDeps): OpenDiskCache | undefined {
  const { config, clock, logger, metrics } = deps;
  const { directory } = config.diskCache;
  if (directory === '') return undefined;
  if (config.storage.kind === 'filesystem') {
    logger.info('disk cache: not used, as the object store is a directory');
    return undefined;
  }
  const observer = diskCacheMetrics(metrics);
  try {
    const unlock = lockDirectories([directory]);
    const bytesMax = config.diskCache.bytesMax || defaultBytes(directory);
    const owner = new DiskCacheOwner({ disk: new NodeDisk(directory), bytesMax, clock, logger, observer });
    logger.info('disk cache', { directory, bytesMax });
    void owner.load();
    const close = (): void => {
      owner.index.turnOff();
      unlock();
    };
    const receive = (report: DiskCacheReport) => takeReport(report, owner);
    return { data: { directory, memory: owner.index.memory }, receive, close };
  } catch (error) {
    observer.turnedOff();
    logger.error('disk cache turned off until the next start: reads go to the store', {
      reason: error instanceof Error ? error.message : String(error),
    });
    return undefined;
  }
}

function defaultBytes(directory: string): number {
  const { bavail, bsize } = fs.statfsSync(directory);
  return Math.min(defaultBytesMost, Math.floor(bavail * bsize * freeShare));
}

function takeReport([kind, content]: DiskCacheReport, owner: DiskCacheReports): void {
  switch (kind) {
    case 'written':
      return owner.written(content);
    case 'damaged':
      return owner.damaged(content);
    case 'lookedUp':
      return owner.lookedUp(content);
    case 'failed':
      return owner.failed(content);
  }
}

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
