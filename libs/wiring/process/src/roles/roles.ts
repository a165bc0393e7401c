import os from 'node:os';
import path from 'node:path';
import { Catalog, committedSegments, partitionCommitters, StreamShards } from '@loki/catalog';
import type { Component, Config, LimitsSource, RpcPeer } from '@loki/config';
import { decompressedBytesMaxOf, Distributor } from '@loki/distributor';
import {
  ExplainApi,
  ExploreApi,
  ExportApi,
  MetadataApi,
  QueryApi,
  QueryFrontend,
  TailApi,
  VolumeApi,
} from '@loki/gateway';
import type { ServiceStates } from '@loki/http';
import { Ingester, PatternIngester, StreamCounts } from '@loki/ingester';
import type {
  Clock,
  DistributorService,
  Logger,
  ObjectStore,
  PatternService,
  Random,
  RouteService,
  Timers,
  Workers,
  WriteLog,
} from '@loki/ports';
import { Querier } from '@loki/querier';
import type { ResultsCaches } from '@loki/querier';
import type { ChannelPool, RpcServer } from '@loki/rpc';
import { NodeDisk, WorkerPool } from '@loki/runtime';
import {
  distributorMetrics,
  ingesterMetrics,
  measuredObjectStore,
  patternMetrics,
  queryMetrics,
} from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import { readLogIdentity } from '@loki/write-log';
import { Cluster } from '../cluster/cluster.ts';
import type { Rings } from '../cluster/rings.ts';
import type { Adapters } from '../stores/adapters.ts';
import { prepareObjectStore } from '../stores/object-store.ts';
import type { WorkerData } from '../stores/object-store.ts';
import { LogPressure, openWriteLog } from '../stores/open-write-log.ts';
import { ownStore } from '../stores/store-owner.ts';
import { openHiding, startCompactor } from './compactor-role.ts';
import type { CompactorRole, Hiding } from './compactor-role.ts';
import { IngesterLifecycle } from './ingester-lifecycle.ts';
import { openResultsCaches } from './results-caches.ts';
import { startRuler } from './ruler-role.ts';
import type { RulerRole } from './ruler-role.ts';

interface RoleDeps {
  readonly config: Config;
  readonly limits: LimitsSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly states: ServiceStates;
  readonly rpc: RpcServer;
  readonly rings: Rings;
  readonly adapters?: Adapters;
  /** Ends the process at once: nothing is flushed. */
  readonly fail: (error: Error) => void;
}

interface Frontend {
  readonly query: QueryApi;
  readonly metadata: MetadataApi;
  readonly tail: TailApi;
  readonly volume: VolumeApi;
  readonly explore: ExploreApi;
  readonly exports: ExportApi;
  readonly explain: ExplainApi;
}

/** The roles of this process; absent when `-target` does not name them. */
export interface Roles {
  /** Who takes pushes: the distributor of this process, or a way to those elsewhere. */
  readonly pushes?: DistributorService;
  readonly ingester?: Ingester;
  readonly ingesterLifecycle?: IngesterLifecycle;
  /** Flushes the ingester of this process; in a gateway, all there are. */
  readonly flush?: (signal?: AbortSignal) => Promise<void>;
  readonly frontend?: Frontend;
  readonly compactor?: CompactorRole;
  /** Compactors of other processes, for a gateway that has none. */
  readonly deletesElsewhere?: RouteService;
  readonly ruler?: RulerRole;
  /** Rulers of other processes, for a gateway that has none. */
  readonly rulesElsewhere?: RouteService;
  /** Connections to other processes, until this one leaves. */
  channels(peer: RpcPeer): ChannelPool;
  /** Lets other processes count on this one, whose gRPC port this is. */
  join(rpcPort: number): Promise<void>;
  /** Flushes when so configured, and takes leave of the others. */
  leave(): Promise<void>;
  /** Lets go of everything. */
  stop(): Promise<void>;
}

/** What the roles of one process share that store or read what is stored. */
interface World extends RoleDeps {
  readonly cluster: Cluster;
  readonly objectStore: ObjectStore;
  readonly workers: Workers;
  readonly catalog: Catalog;
  readonly hiding: Hiding;
}

/** The same for those that write. */
interface LogWorld extends World {
  readonly writeLog: WriteLog;
  readonly pressure: LogPressure;
  /** Of an embedded log: the watch over the store's mark. */
  readonly ownership?: { readonly stop: () => void };
}

/**
 * How long a shutdown may spend on flushing; what is left is in the write log and read again at the next
 * start.
 */
const shutdownFlushMs = 60_000;

/** Opens storage and starts the roles that the configuration names. */
export async function startRoles(deps: RoleDeps): Promise<Roles> {
  const { config, states, logger } = deps;
  const runs = (component: Component) => config.components.has(component);
  checkTarget(config);
  const cluster = new Cluster(deps);
  const world = storing.some(runs) ? await openWorld(deps, cluster) : undefined;
  const logWorld = world && writing.some(runs) ? await openLog(world) : undefined;
  const patterns =
    config.patternIngester.enabled && runs('ingester') && world
      ? new PatternIngester({ ...world, metrics: patternMetrics(world.metrics) })
      : undefined;
  const patternService = await cluster.patterns(patterns);
  const streamCounts = runs('ingester')
    ? // Distributors say that a stream is in use a quarter of that time late.
      new StreamCounts(deps.clock, { streamIdleMs: 1.25 * config.ingester.chunkIdlePeriodMs })
    : undefined;
  const ingester =
    logWorld && streamCounts ? await startIngester(logWorld, streamCounts, patterns) : undefined;
  const ingesterLifecycle = ingester ? new IngesterLifecycle(deps) : undefined;
  await ingesterLifecycle?.start();
  const distributing =
    logWorld && runs('distributor') ? await startDistributor(logWorld, streamCounts) : undefined;
  const distributor = distributing?.distributor;
  const caches = world && runs('querier') ? openResultsCaches(world) : undefined;
  const querier = world && runs('querier') ? await makeQuerier(world, ingester, caches) : undefined;
  const frontend = runs('query-frontend')
    ? startFrontend({ ...deps, cluster, workers: world?.workers }, querier, patternService)
    : undefined;
  if (querier && (!frontend || config.querier.frontendAddresses.length > 0)) await cluster.pull(querier);
  const router = runs('gateway') && !distributor ? await cluster.pushRouter() : undefined;
  if (router) states.addCheck(() => router.notReady());
  const flush = ingester
    ? (signal?: AbortSignal) => ingester.flush(signal)
    : runs('gateway')
      ? await cluster.flusher()
      : undefined;
  const compactor =
    world && runs('compactor')
      ? startCompactor({
          ...(logWorld ?? world),
          share: await deps.rings.share('compactor'),
          // An embedded log's heads are those of this process.
          flush: config.writeLog.kind === 'embedded' ? ingester && flush : await cluster.flusher(),
        })
      : undefined;
  if (compactor) cluster.announce('compactor');
  /** Of a ruler that has no query frontend beside it. */
  let ruleFrontend: QueryFrontend | undefined;
  const startRuleFrontend = async (from: World) => {
    ruleFrontend = newFrontend(from, querier ?? (await makeQuerier(from, ingester, undefined)));
    ruleFrontend.start();
    return ruleFrontend;
  };
  const ruler =
    world && runs('ruler')
      ? await startRuler({
          ...world,
          localFrontend: async () => frontend?.queries ?? (await startRuleFrontend(world)),
        })
      : undefined;
  const forwards = runs('gateway');
  const deletesElsewhere = forwards && !compactor ? await cluster.forwarder('compactor') : undefined;
  const rulesElsewhere = forwards && !ruler ? await cluster.forwarder('ruler') : undefined;
  for (const component of config.components) states.set(component, 'Running');

  return {
    pushes: distributor ?? router,
    ingester,
    ingesterLifecycle,
    flush,
    frontend: frontend?.api,
    compactor,
    deletesElsewhere,
    ruler,
    rulesElsewhere,
    channels: (peer) => cluster.channels(peer),
    join: (rpcPort) => cluster.join(rpcPort),
    async leave() {
      await ruler?.stop();
      await distributor?.drain();
      if (ingester && ingesterLifecycle?.flushesAtEnd) {
        await ingester.flush(AbortSignal.timeout(shutdownFlushMs)).catch((error: unknown) => {
          logger.warn('could not flush before stopping; the write log has it', { err: String(error) });
        });
      }
      await cluster.leave();
    },
    async stop() {
      frontend?.stop();
      ruleFrontend?.stop();
      await compactor?.stop();
      // What came in since.
      await distributor?.drain();
      await ingester?.stop();
      distributing?.streamShards.close();
      world?.hiding.requests?.stop();
      world?.catalog.stop();
      logWorld?.ownership?.stop();
      await logWorld?.writeLog.close();
      await world?.workers.close();
      await caches?.close();
    },
  };
}

const storing: readonly Component[] = ['distributor', 'ingester', 'querier', 'compactor', 'ruler'];
const writing: readonly Component[] = ['distributor', 'ingester'];

/** @throws when the parts that this process is to run cannot work by themselves */
function checkTarget(config: Config): void {
  const [distributor, ingester] = writing.map((component) => config.components.has(component));
  if (config.writeLog.kind === 'embedded' && distributor !== ingester) {
    throw new Error(
      'the embedded write log serves one process: run distributor and ingester in it (-target=write), or set write_log.kind to kafka',
    );
  }
}

async function openWorld(deps: RoleDeps, cluster: Cluster): Promise<World> {
  const { config, timers, logger } = deps;
  const opened = await prepareObjectStore(config.storage, logger);
  const store = deps.adapters?.objectStore?.(opened) ?? opened;
  const objectStore = measuredObjectStore(store, deps.metrics, {
    bucket: config.storage.kind,
    clock: deps.clock,
  });
  const { partitions } = config.writeLog;
  const catalog = new Catalog({ objectStore, timers, logger, partitionCount: partitions });
  // A catalog that cannot be read now would let the write log give out offsets that are taken: fail the start
  // instead.
  await catalog.refresh();
  await catalog.start();
  const hiding = await openHiding({ ...deps, objectStore });
  return { ...deps, cluster, objectStore, catalog, hiding, workers: startWorkers(config, logger) };
}

async function openLog(world: World): Promise<LogWorld> {
  const { catalog, config } = world;
  const { partitions } = config.writeLog;
  const pressure = new LogPressure();
  const ownership = await ownStoreOf(world);
  const writeLog = await openWriteLog({
    ...world,
    atLeast: Array.from({ length: partitions }, (_, partition) => catalog.state(partition).endOffset),
    onNearlyFull: () => pressure.relieve(),
  });
  return { ...world, writeLog, pressure, ownership };
}

/** Two embedded logs on one store would count the same offsets; several processes share a log of Kafka. */
async function ownStoreOf(world: World): Promise<{ readonly stop: () => void } | undefined> {
  const { kind, directory, takesStore } = world.config.writeLog;
  if (kind !== 'embedded') return undefined;
  const logId = await readLogIdentity(new NodeDisk(directory), world.random);
  const place = `${os.hostname()}:${path.resolve(directory)}`;
  return ownStore({ ...world, logId, place, takesStore, onLost: world.fail });
}

function startWorkers(config: Config, logger: Logger): WorkerPool {
  const size = config.workerPool.threads > 0 ? config.workerPool.threads : os.availableParallelism();
  const workerData: WorkerData = {
    storage: config.storage,
    blockCacheBytes: Math.floor(config.workerPool.blockCacheBytes / size),
  };
  return new WorkerPool({
    entry: new URL('../worker.ts', import.meta.url),
    workerData,
    urgentWorkerData: { ...workerData, blockCacheBytes: urgentCacheBytes },
    size,
    resourceLimits: { maxOldGenerationSizeMb: workerHeapMbMax },
    onUnresponsive: (tasks) =>
      logger.error('worker thread replaced: it ignored a cancellation', { tasks: tasks.join(' ') }),
  });
}

/**
 * Decoded blocks that the thread for urgent tasks keeps: several followers of one stream read a frame at one
 * time.
 */
const urgentCacheBytes = 16 * 2 ** 20;

/**
 * What a worker may keep; its garbage collector aims below that, buffers included. A worker beyond it is
 * replaced.
 */
const workerHeapMbMax = 1024;

async function startDistributor(
  world: LogWorld,
  streamCounts: StreamCounts | undefined,
): Promise<{ distributor: Distributor; streamShards: StreamShards }> {
  const { config, cluster } = world;
  const { distributor, ingester, writeLog } = config;
  const healthyDistributors = await cluster.distributorCount();
  // Before the first push: rows of a stream that was sharded before this start go where they went then.
  const writer = Buffer.from(world.random.bytes(8)).toString('hex');
  const streamShards = new StreamShards({ ...world, writer, healthyDistributors });
  await streamShards.start();
  const streamLimiters = await cluster.streamLimiters(streamCounts);
  const started = new Distributor(
    {
      ...world,
      metrics: distributorMetrics(world.metrics),
      healthyDistributors,
      streamLimiters,
      streamShards,
    },
    {
      recvBytesMax: distributor.maxRecvMsgBytes,
      decompressedBytesMax: decompressedBytesMaxOf(distributor.maxDecompressedBytes),
      ...(distributor.maxInflightBytes > 0 ? { inflightBytesMax: distributor.maxInflightBytes } : {}),
      lingerMs: writeLog.lingerMs,
      batchBytesMax: writeLog.maxBatchBytes,
      streamIdleMs: ingester.chunkIdlePeriodMs,
      chunkAgeMaxMs: ingester.maxChunkAgeMs,
      otlpIndexAttributes: distributor.otlpDefaultIndexLabels,
      removesExpired: config.compactor.retentionEnabled,
    },
  );
  cluster.serveDistributor(started);
  return { distributor: started, streamShards };
}

async function startIngester(
  world: LogWorld,
  streamCounts: StreamCounts,
  patterns: PatternIngester | undefined,
): Promise<Ingester> {
  const { config, objectStore, clock, catalog, states, cluster } = world;
  const { owned, isLeader, takenOver } = await cluster.ownership();
  const ingester = new Ingester(
    {
      ...world,
      metrics: ingesterMetrics(world.metrics),
      patterns,
      isLeader: world.adapters?.isLeader ?? isLeader,
      takenOver,
      commits: partitionCommitters({ objectStore, clock }),
      ...(world.ownership ? { onForeignCommit: world.fail } : {}),
      committed: committedSegments(catalog),
    },
    owned,
    {
      flushAgeMs: config.ingester.maxChunkAgeMs,
      flushIdleMs: config.ingester.chunkIdlePeriodMs,
      // Some seconds' worth: for tails that go from owner to owner. It matters only where Kafka is told to
      // delete.
      logMarginRecords: config.writeLog.kind === 'kafka' ? 1_000 : 0,
    },
  );
  ingester.start();
  world.pressure.flush = () => ingester.flush();
  cluster.serveIngester(ingester, streamCounts);
  states.addCheck(() => (ingester.isReady() ? undefined : 'Ingester not ready: reading the write log'));
  return ingester;
}

async function makeQuerier(
  world: World,
  ingester: Ingester | undefined,
  caches: ResultsCaches | undefined,
): Promise<Querier> {
  return new Querier({
    ingesters: await world.cluster.directory(ingester),
    catalog: world.adapters?.catalog?.(world.catalog) ?? world.catalog,
    workers: world.workers,
    logger: world.logger,
    hidden: world.hiding.hidden,
    caches,
    reads: world.config.querier.reads,
  });
}

function newFrontend(world: RoleDeps, querier: Querier | undefined): QueryFrontend {
  const { maxOutstandingPerTenant, maxQueueLevels } = world.config.frontend;
  const { maxConcurrent, perRequestLimitsEnabled, queryIngestersWithinMs } = world.config.querier;
  const { maxRetries, parallelise, caches } = world.config.queryRange;
  return new QueryFrontend(
    { ...world, querier, queryMetrics: queryMetrics(world.metrics) },
    {
      maxConcurrent,
      maxOutstandingPerTenant,
      maxRetries,
      actorLevelsMax: maxQueueLevels,
      recentMs: queryIngestersWithinMs,
      isSharding: parallelise,
      perRequestLimits: perRequestLimitsEnabled,
      cached: new Set(caches.keys()),
    },
  );
}

function startFrontend(
  world: RoleDeps & { readonly cluster: Cluster; readonly workers: Workers | undefined },
  querier: Querier | undefined,
  patterns: PatternService | undefined,
): { api: Frontend; queries: QueryFrontend; stop: () => void } {
  const { config } = world;
  const frontend = newFrontend(world, querier);
  frontend.start();
  world.cluster.serveFrontend(frontend);
  world.states.addCheck(() => frontend.notReady());
  const { multiTenantQueriesEnabled, tailMaxDurationMs } = config.querier;
  const counted = queryMetrics(world.metrics);
  const deps = {
    ...world,
    frontend,
    querier: querier ?? frontend.querier,
    patterns,
    multiTenantQueriesEnabled,
    tailMaxDurationMs,
    queryMetrics: counted,
    alignsWithStep: config.queryRange.alignQueriesWithStep,
  };
  return {
    api: {
      query: new QueryApi(deps),
      metadata: new MetadataApi(deps),
      tail: new TailApi(deps),
      volume: new VolumeApi(deps),
      explore: new ExploreApi(deps),
      exports: new ExportApi(deps),
      explain: new ExplainApi(deps),
    },
    queries: frontend,
    stop: () => frontend.stop(),
  };
}
