/** Opens object store, catalog, workers and write log for the roles of this process. */
import os from 'node:os';
import path from 'node:path';
import {
  Catalog,
  CatalogFollower,
  fixedPartitions,
  ownStore,
  PartitionLayout,
  SharedLogs,
} from '@loki/catalog';
import type { Partitions } from '@loki/catalog';
import type { Component, Config, ConfigSource, LimitsSource } from '@loki/config';
import type { QueryThread } from '@loki/engine';
import type { ServiceStates } from '@loki/http';
import { HedgedObjectStore, observedObjectStore, StoreTimes } from '@loki/object-store';
import type { Clock, Logger, ObjectStore, Random, Timers, Workers, WriteLog } from '@loki/ports';
import type { RpcServer } from '@loki/rpc';
import { NodeDisk, WorkerPool } from '@loki/runtime';
import { objectStoreMetrics } from '@loki/telemetry';
import type { Metrics, ServerMetrics } from '@loki/telemetry';
import { readLogIdentity } from '@loki/write-log';
import type { Cluster } from '../cluster/cluster.ts';
import type { Rings } from '../cluster/rings.ts';
import type { Adapters } from '../stores/adapters.ts';
import type { DiskCacheData } from '../stores/disk-cache-of-worker.ts';
import { openDiskCache } from '../stores/disk-cache.ts';
import { threadsOf } from '../stores/memory-bounds.ts';
import type { MemoryBounds } from '../stores/memory-bounds.ts';
import { prepareObjectStore, storeWords } from '../stores/object-store.ts';
import type { WorkerData, WorkerReport } from '../stores/object-store.ts';
import { LogPressure, openWriteLog } from '../stores/open-write-log.ts';
import { patiently } from '../stores/patiently.ts';
import { observeReport } from '../stores/store-reports.ts';
import { openHiding } from './compactor-role.ts';
import type { Hiding } from './compactor-role.ts';

/** Dependencies of every role. */
export interface RoleDeps {
  readonly config: Config;
  readonly source: ConfigSource;
  readonly limits: LimitsSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly server: ServerMetrics;
  readonly states: ServiceStates;
  readonly rpc: RpcServer;
  readonly rings: Rings;
  readonly memory: MemoryBounds;
  /** The main thread's queue of sliced work: results of all roles are merged and roots computed there. */
  readonly queryThread: QueryThread;
  readonly adapters?: Adapters;
  /** Ends the process at once, without a flush. */
  readonly fail: (error: Error) => void;
  /** Called with the missing service that the start waits for; undefined: none. */
  readonly onMissing: (text: string | undefined) => void;
}

/** Dependencies of roles that write or read the store. */
export interface StorageDeps extends RoleDeps {
  readonly cluster: Cluster;
  readonly objectStore: ObjectStore;
  readonly workers: Workers;
  /** The cache on local disk. Absent: not configured. */
  readonly diskCache?: { close(): void };
  readonly catalog: Catalog;
  /** Absent: this process reads stored segments only for requests that name them. */
  readonly follower: CatalogFollower | undefined;
  readonly sharedLogs: SharedLogs;
  readonly partitions: Partitions;
  /** The number of a shared log's partitions, which may grow; undefined: it is fixed. */
  readonly layout: PartitionLayout | undefined;
  readonly hiding: Hiding;
}

/** Dependencies of roles that write. */
export interface LogDeps extends StorageDeps {
  readonly writeLog: WriteLog;
  readonly pressure: LogPressure;
  /** Of an embedded log: watches the store's owner mark. */
  readonly ownership?: { readonly stop: () => void };
}

/**
 * Components that read stored segments, and follow the catalog for it. Other processes read the catalog once,
 * for the end of each partition; an ingester also reads the segments that it compares with late rows.
 */
const readers: readonly Component[] = ['querier', 'compactor', 'ruler'];

/**
 * Rounds between two reads of the store beside an embedded log, which has few readers: a separate compactor,
 * or one in a cron job, may share no ring with them.
 */
const loneNetRounds = { partition: 40, shared: 1 };

/** Repeats late reads of a bucket: each query reads the next number of the deletes' log. */
function hedged(store: ObjectStore, { config, clock, timers }: RoleDeps): ObjectStore {
  if (config.storage.kind !== 's3') return store;
  return new HedgedObjectStore({ store, times: new StoreTimes(), clock, timers });
}

/** Opens the object store and the catalog, and starts worker threads. */
export async function openStorage(deps: RoleDeps, cluster: Cluster): Promise<StorageDeps> {
  const { config, timers, logger } = deps;
  const observer = objectStoreMetrics(deps.metrics, config.storage.kind);
  const opened = await prepareObjectStore(config.storage, deps, observer);
  const store = deps.adapters?.objectStore?.(opened) ?? opened;
  const objectStore = hedged(observedObjectStore(store, observer, deps.clock), deps);
  const { kind, partitions: count } = config.writeLog;
  const layout = kind === 'embedded' ? undefined : new PartitionLayout({ ...deps, objectStore, count });
  if (layout) await patiently('the number of partitions in the object store', () => layout.start(), deps);
  const partitions = layout ?? fixedPartitions(count);
  const sharedLogs = new SharedLogs();
  if (layout) sharedLogs.reads('layout', layout.shared);
  const catalog = new Catalog({ objectStore, timers, logger, partitionCount: partitions.owned });
  partitions.onChange(() => catalog.grow(partitions.owned));
  // With an unreadable catalog the write log would assign offsets that are in use: the start waits or fails.
  await patiently('the catalog in the object store', () => catalog.refresh(), deps);
  const hiding = await openHiding({ ...deps, objectStore });
  const follower = readers.some((component) => config.components.has(component))
    ? new CatalogFollower({
        ...deps,
        catalog,
        requests: hiding.requests,
        news: await cluster.ingesters.catalogNews(),
        sharedLogs,
        netRounds: layout ? undefined : loneNetRounds,
      })
    : undefined;
  follower?.start();
  const diskCache = readsSegments(config) ? openDiskCache(deps) : undefined;
  const onReport = (report: WorkerReport) => {
    if ('store' in report) observeReport(report.store, observer);
    else diskCache?.receive(report.disk);
  };
  const workers = startWorkers({ ...deps, size: threadsOf(config), diskCache: diskCache?.data, onReport });
  return {
    ...deps,
    cluster,
    objectStore,
    partitions,
    layout,
    catalog,
    follower,
    sharedLogs,
    hiding,
    diskCache,
    workers,
  };
}

/** Opens the write log, behind the records that the catalog has. */
export async function openLog(deps: StorageDeps): Promise<LogDeps> {
  const { catalog, partitions } = deps;
  const pressure = new LogPressure();
  const ownership = await patiently('the mark of the store’s owner', () => ownStoreOf(deps), deps);
  // The former owner's log may have committed until now.
  if (ownership) await patiently('the catalog in the object store', () => catalog.refresh(), deps);
  const atLeast = Array.from({ length: partitions.owned }, (_, each) => catalog.state(each).endOffset);
  const onNearlyFull = () => pressure.relieve();
  const writeLog = await patiently(
    'the write log',
    () => openWriteLog({ ...deps, readBytesMax: deps.memory.logReadBytesMax, atLeast, onNearlyFull }),
    deps,
  );
  return { ...deps, writeLog, pressure, ownership };
}

/**
 * Takes ownership of the store: two embedded logs on one store would assign the same offsets. A Kafka log is
 * shared by design.
 */
async function ownStoreOf(deps: StorageDeps): Promise<{ readonly stop: () => void } | undefined> {
  const { kind, directory, takesStore } = deps.config.writeLog;
  if (kind !== 'embedded') return undefined;
  const logId = await readLogIdentity(new NodeDisk(directory), deps.random);
  const place = `${os.hostname()}:${path.resolve(directory)}`;
  return ownStore({
    ...deps,
    logId,
    place,
    storeWords: storeWords(deps.config.storage, deps.source),
    takesStore,
    onLost: deps.fail,
  });
}

/**
 * Whether this process answers queries: a compactor needs no cache, because it reads segments that are soon
 * replaced.
 */
function readsSegments({ components }: Config): boolean {
  return components.has('querier') || components.has('ruler');
}

interface WorkersDeps extends Pick<RoleDeps, 'config' | 'memory' | 'logger'> {
  /** Number of common threads. */
  readonly size: number;
  readonly diskCache?: DiskCacheData;
  readonly onReport?: (report: WorkerReport) => void;
}

/** Starts the process's worker threads. */
export function startWorkers({ config, memory, logger, size, diskCache, onReport }: WorkersDeps): WorkerPool {
  const cacheBytes = Math.min(config.workerPool.blockCacheBytes, memory.blockCacheBytesMax) / size;
  const workerData: WorkerData = {
    storage: config.storage,
    blockCacheBytes: Math.floor(cacheBytes),
    cacheIdleMs: config.workerPool.idleMs,
    leafBytesMax: memory.leafBytesMaxPerThread,
    diskCache,
  };
  return new WorkerPool({
    entry: new URL('../worker.ts', import.meta.url),
    workerData,
    urgentWorkerData: { ...workerData, blockCacheBytes: Math.floor(Math.min(urgentCacheBytes, cacheBytes)) },
    size,
    commonIdleMs: config.workerPool.idleMs,
    // The garbage collector stays below this limit, buffers included. A worker above it is replaced.
    resourceLimits: { maxOldGenerationSizeMb: memory.threadHeapMib },
    onReport: (content) => onReport?.(content as WorkerReport),
    onUnresponsive: (tasks) =>
      logger.error('worker thread replaced: it ignored a cancellation', { tasks: tasks.join(' ') }),
  });
}

/** Decoded blocks in the thread for urgent tasks: several followers of one stream read the same frame. */
const urgentCacheBytes = 16 * 2 ** 20;
