/**
 * The cache on local disk of footers and columns: opened by the main thread, used by the threads that scan.
 */
import fs from 'node:fs';
import { BroadcastChannel } from 'node:worker_threads';
import type { Config } from '@loki/config';
import { DiskCache, DiskCacheIndex, DiskCacheOwner } from '@loki/object-store';
import type { DiskCacheMemory, DiskCacheReports, StoreTimes } from '@loki/object-store';
import type { Clock, Logger, Random, RangeCache } from '@loki/ports';
import { NodeClock, NodeDisk, NodeRandom, NodeTimers } from '@loki/runtime';
import { diskCacheMetrics } from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import { lockDirectories } from './directory-lock.ts';

/** How a worker thread reaches the cache. */
export interface DiskCacheData {
  readonly directory: string;
  readonly memory: DiskCacheMemory;
  /** Name of the channel that takes what threads tell of it. */
  readonly channel: string;
}

interface OpenDiskCache {
  readonly data: DiskCacheData;
  /** Lets go of the directory. */
  close(): void;
}

interface DiskCacheDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Without a bound the cache takes this part of what its file system has free. */
const freeShare = 1 / 4;
const defaultBytesMost = 64 * 2 ** 30;

type Report = {
  readonly [Name in keyof DiskCacheReports]: readonly [Name, Parameters<DiskCacheReports[Name]>[0]];
}[keyof DiskCacheReports];

/**
 * Opens the cache that the configuration names; undefined: none is wanted, or its directory will not do. A
 * cache is a help alone: no fault of its disk keeps a process from starting.
 */
export function openDiskCache(deps: DiskCacheDeps): OpenDiskCache | undefined {
  const { config, clock, random, logger, metrics } = deps;
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
    const channel = `disk-cache-${Buffer.from(random.bytes(8)).toString('hex')}`;
    const reports = receiveReports(channel, owner);
    void owner.load();
    const close = (): void => {
      owner.index.turnOff();
      reports.close();
      unlock();
    };
    return { data: { directory, memory: owner.index.memory, channel }, close };
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

function receiveReports(name: string, owner: DiskCacheReports): { close(): void } {
  const channel = new BroadcastChannel(name);
  channel.unref();
  channel.onmessage = (event) => {
    const [kind, content] = (event as { data: Report }).data;
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
  };
  return channel;
}

/** In a worker thread: the cache that the main thread has opened. */
export function diskCacheOfWorker(
  { directory, memory, channel: name }: DiskCacheData,
  times: StoreTimes,
): RangeCache {
  const channel = new BroadcastChannel(name);
  channel.unref();
  const tell = (report: Report) => channel.postMessage(report);
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
