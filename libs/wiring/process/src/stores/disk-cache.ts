/**
 * The cache on local disk of footers and columns: opened by the main thread, used by the threads that scan
 * (disk-cache-of-worker.ts).
 */
import fs from 'node:fs';
import type { Config } from '@loki/config';
import { DiskCacheOwner } from '@loki/object-store';
import type { DiskCacheReports } from '@loki/object-store';
import type { Clock, Logger } from '@loki/ports';
import { NodeDisk } from '@loki/runtime';
import { diskCacheMetrics } from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import { lockDirectories } from './directory-lock.ts';
import type { DiskCacheData, DiskCacheReport } from './disk-cache-of-worker.ts';

interface OpenDiskCache {
  readonly data: DiskCacheData;
  /** Takes the reports of threads. */
  receive(report: DiskCacheReport): void;
  /** Releases the directory. */
  close(): void;
}

interface DiskCacheDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Default size: this part of the free space of its file system. */
const freeShare = 1 / 4;
const defaultBytesMost = 64 * 2 ** 30;

/**
 * Opens the cache that the configuration names; undefined: not configured, or its directory is unusable. The
 * cache only saves time: a fault of its disk does not prevent the start.
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
    const unlock = lockDirectories([{ path: directory, flag: 'disk-cache.directory' }]);
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
