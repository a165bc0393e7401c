import os from 'node:os';
import { Catalog, committedSegments, partitionCommitters } from '@loki/catalog';
import type { Config, LimitsSource } from '@loki/config';
import { Distributor } from '@loki/distributor';
import { ExploreApi, MetadataApi, QueryApi, QueryFrontend, TailApi, VolumeApi } from '@loki/gateway';
import type { ServiceStates } from '@loki/http';
import { Ingester, ownsAll, PatternIngester } from '@loki/ingester';
import type { Clock, Logger, ObjectStore, Random, Timers, Workers, WriteLog } from '@loki/ports';
import { Querier } from '@loki/querier';
import { WorkerPool } from '@loki/runtime';
import {
  distributorMetrics,
  ingesterMetrics,
  measuredObjectStore,
  patternMetrics,
  queryMetrics,
} from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import { openHiding, startCompactor } from './compactor-role.ts';
import type { CompactorRole, Hiding } from './compactor-role.ts';
import { prepareObjectStore } from './object-store.ts';
import type { WorkerData } from './object-store.ts';
import { ruleEvaluator } from './rule-evaluator.ts';
import { startRuler } from './ruler-role.ts';
import type { RulerRole } from './ruler-role.ts';
import { openWriteLog } from './open-write-log.ts';

export interface RoleDeps {
  readonly config: Config;
  readonly limits: LimitsSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly states: ServiceStates;
}

export interface Frontend {
  readonly query: QueryApi;
  readonly metadata: MetadataApi;
  readonly tail: TailApi;
  readonly volume: VolumeApi;
  readonly explore: ExploreApi;
}

/** The roles of this process; absent when `-target` does not name them. */
export interface Roles {
  readonly distributor?: Distributor;
  readonly ingester?: Ingester;
  readonly frontend?: Frontend;
  readonly compactor?: CompactorRole;
  readonly ruler?: RulerRole;
  /** Flushes when so configured, then lets go of everything. */
  stop(): Promise<void>;
}

/** What the roles of one process share. */
interface World extends RoleDeps {
  readonly objectStore: ObjectStore;
  readonly writeLog: WriteLog;
  readonly workers: Workers;
  readonly catalog: Catalog;
  readonly hiding: Hiding;
}

/** How long a shutdown may spend on flushing; what is left is in the write log and read again at the next start. */
const shutdownFlushMs = 60_000;

/** Opens storage and starts the roles that the configuration names. */
export async function startRoles(deps: RoleDeps): Promise<Roles> {
  const world = await openWorld(deps);
  const { config, states, logger } = deps;
  const runs = (component: Parameters<Config['components']['has']>[0]) => config.components.has(component);
  const patterns =
    config.patternIngester.enabled && runs('ingester')
      ? new PatternIngester({ ...world, metrics: patternMetrics(world.metrics) })
      : undefined;
  const ingester = runs('ingester') ? startIngester(world, patterns) : undefined;
  const distributor = runs('distributor') ? startDistributor(world) : undefined;
  const querier = runs('querier') && ingester ? makeQuerier(world, ingester) : undefined;
  const frontend = runs('query-frontend') && querier ? startFrontend(world, querier, patterns) : undefined;
  const compactor = runs('compactor') ? startCompactor(world) : undefined;
  const ruler =
    runs('ruler') && frontend
      ? await startRuler({ ...world, evaluate: ruleEvaluator(frontend.queries) })
      : undefined;
  for (const component of config.components) states.set(component, 'Running');

  return {
    distributor,
    ingester,
    frontend: frontend?.api,
    compactor,
    ruler,
    async stop() {
      await ruler?.stop();
      frontend?.stop();
      await compactor?.stop();
      await distributor?.drain();
      if (ingester && config.ingester.flushOnShutdown) {
        await ingester.flush(AbortSignal.timeout(shutdownFlushMs)).catch((error: unknown) => {
          logger.warn('could not flush before stopping; the write log has it', { err: String(error) });
        });
      }
      await ingester?.stop();
      world.hiding.requests?.stop();
      world.catalog.stop();
      await world.writeLog.close();
      await world.workers.close();
    },
  };
}

async function openWorld(deps: RoleDeps): Promise<World> {
  const { config, timers, logger } = deps;
  const store = await prepareObjectStore(config.storage, logger);
  const objectStore = measuredObjectStore(store, deps.metrics, {
    bucket: config.storage.kind,
    clock: deps.clock,
  });
  const { partitions } = config.writeLog;
  const catalog = new Catalog({ objectStore, timers, logger, partitionCount: partitions });
  // A catalog that cannot be read now would let the write log give out offsets that are taken: fail the start instead.
  await catalog.refresh();
  await catalog.start();
  const writeLog = await openWriteLog({
    ...deps,
    atLeast: Array.from({ length: partitions }, (_, partition) => catalog.state(partition).endOffset),
  });
  const hiding = await openHiding({ ...deps, objectStore });
  return { ...deps, objectStore, writeLog, catalog, hiding, workers: startWorkers(config) };
}

function startWorkers(config: Config): WorkerPool {
  const size = config.workerPool.threads > 0 ? config.workerPool.threads : os.availableParallelism();
  const workerData: WorkerData = {
    storage: config.storage,
    blockCacheBytes: Math.floor(config.workerPool.blockCacheBytes / size),
  };
  return new WorkerPool({ entry: new URL('./worker.ts', import.meta.url), workerData, size });
}

function startDistributor(world: World): Distributor {
  const { config } = world;
  const { distributor, ingester, writeLog } = config;
  return new Distributor(
    { ...world, metrics: distributorMetrics(world.metrics), healthyDistributors: () => 1 },
    {
      recvBytesMax: distributor.maxRecvMsgBytes,
      decompressedBytesMax: distributor.maxDecompressedBytes,
      ...(distributor.maxInflightBytes > 0 ? { inflightBytesMax: distributor.maxInflightBytes } : {}),
      lingerMs: writeLog.lingerMs,
      batchBytesMax: writeLog.maxBatchBytes,
      streamIdleMs: ingester.chunkIdlePeriodMs,
      chunkAgeMaxMs: ingester.maxChunkAgeMs,
      otlpIndexAttributes: distributor.otlpDefaultIndexLabels,
    },
  );
}

function startIngester(world: World, patterns: PatternIngester | undefined): Ingester {
  const { config, objectStore, clock, catalog, states } = world;
  const ingester = new Ingester(
    {
      ...world,
      metrics: ingesterMetrics(world.metrics),
      patterns,
      commits: partitionCommitters({ objectStore, clock }),
      committed: committedSegments(catalog),
    },
    ownsAll(config.writeLog.partitions),
    { flushAgeMs: config.ingester.maxChunkAgeMs, flushIdleMs: config.ingester.chunkIdlePeriodMs },
  );
  ingester.start();
  states.addCheck(() => (ingester.isReady() ? undefined : 'Ingester not ready: reading the write log'));
  return ingester;
}

function makeQuerier(world: World, ingester: Ingester): Querier {
  const partitions = Array.from({ length: world.config.writeLog.partitions }, (_, partition) => partition);
  return new Querier({
    ingesters: { partitions: () => partitions, owners: () => [ingester] },
    catalog: world.catalog,
    workers: world.workers,
    logger: world.logger,
    hidden: world.hiding.hidden,
  });
}

function startFrontend(
  world: World,
  querier: Querier,
  patterns: PatternIngester | undefined,
): { api: Frontend; queries: QueryFrontend; stop: () => void } {
  const { config } = world;
  const frontend = new QueryFrontend(
    { ...world, querier },
    {
      maxConcurrent: config.querier.maxConcurrent,
      maxOutstandingPerTenant: config.frontend.maxOutstandingPerTenant,
    },
  );
  frontend.start();
  const { multiTenantQueriesEnabled } = config.querier;
  const counted = queryMetrics(world.metrics);
  const deps = {
    ...world,
    frontend,
    querier,
    patterns,
    multiTenantQueriesEnabled,
    queryMetrics: counted,
  };
  return {
    api: {
      query: new QueryApi(deps),
      metadata: new MetadataApi(deps),
      tail: new TailApi(deps),
      volume: new VolumeApi(deps),
      explore: new ExploreApi(deps),
    },
    queries: frontend,
    stop: () => frontend.stop(),
  };
}
