/** Starts the roles that `-target` names, in order. */
import type { Component, Config, RpcPeer } from '@loki/config';
import { ConsumerLag } from '@loki/distributor';
import { LongQueries } from '@loki/gateway';
import type { QueryFrontend } from '@loki/gateway';
import { PatternIngester, StreamLimitCounts } from '@loki/ingester';
import type { Ingester } from '@loki/ingester';
import type { DistributorService, PatternService, RouteService, Workers } from '@loki/ports';
import type { ChannelPool } from '@loki/rpc';
import { patternMetrics } from '@loki/telemetry';
import { Cluster } from '../cluster/cluster.ts';
import { startCompactor } from './compactor-role.ts';
import type { CompactorRole } from './compactor-role.ts';
import { startDistributor } from './distributor-role.ts';
import { startFrontend, newFrontend } from './frontend-role.ts';
import type { Frontend } from './frontend-role.ts';
import { IngesterLifecycle } from './ingester-lifecycle.ts';
import { startIngester } from './ingester-role.ts';
import { LazyWorkers } from './lazy-workers.ts';
import { openStorage, openLog, startWorkers } from './open-storage.ts';
import type { LogDeps, RoleDeps, StorageDeps } from './open-storage.ts';
import { makeQuerier } from './querier-role.ts';
import { openResultsCaches } from './results-caches.ts';
import { startRuler } from './ruler-role.ts';
import type { RulerRole } from './ruler-role.ts';
import { warmWorkers } from './warm-workers.ts';

/** The roles of this process; absent if `-target` does not name them. */
export interface Roles {
  /** The receiver of pushes: the distributor of this process, or a router to remote ones. */
  readonly pushes?: DistributorService;
  readonly ingester?: Ingester;
  readonly ingesterLifecycle?: IngesterLifecycle;
  /** Flushes the ingester of this process; in a gateway, all ingesters. */
  readonly flush?: (signal?: AbortSignal) => Promise<void>;
  readonly frontend?: Frontend;
  /** Reads long queries of the routes that this process answers. */
  readonly longQueries?: LongQueries;
  readonly compactor?: CompactorRole;
  /** Compactors of other processes, for a gateway without one. */
  readonly deletesElsewhere?: RouteService;
  readonly ruler?: RulerRole;
  /** Rulers of other processes, for a gateway without one. */
  readonly rulesElsewhere?: RouteService;
  /** The number of partitions that ingesters own, as last read by this process. */
  partitionCount(): number;
  /** Connections to other processes, until this one leaves. */
  channels(peer: RpcPeer): ChannelPool;
  /** Registers this process, with its gRPC port, in the rings. */
  join(rpcPort: number): Promise<void>;
  /** Flushes if configured, and leaves the rings. */
  leave(): Promise<void>;
  /** Closes everything. */
  stop(): Promise<void>;
}

/**
 * Time that a shutdown may spend on flushing; the remaining records are in the write log, and are read again
 * at the next start.
 */
const shutdownFlushMs = 60_000;

/** Opens storage and starts the roles that the configuration names. */
export async function startRoles(deps: RoleDeps): Promise<Roles> {
  const { config, states, logger } = deps;
  const runs = (component: Component) => config.components.has(component);
  checkTarget(config);
  const cluster = new Cluster(deps);
  const storage = storing.some(runs) ? await openStorage(deps, cluster) : undefined;
  const warm = storage && clientFacing.some(runs) ? warmWorkers(storage.workers) : undefined;
  // Without a thread requests fail, and the pool keeps trying.
  const warmed = warm?.catch((error: unknown) =>
    logger.error('the first thread failed', { err: String(error) }),
  );
  const { log, ingester, ingesterLifecycle, distributing, patternService } = await startWriters(
    deps,
    cluster,
    storage,
  );
  const distributor = distributing?.distributor;
  const { caches, querier, frontend, workers } = await startReaders(deps, cluster, storage, patternService);
  const router = runs('gateway') && !distributor ? await cluster.pushRouter() : undefined;
  if (router) states.addCheck(() => router.notReady());
  const flush = ingester
    ? (signal?: AbortSignal) => ingester.flush(signal)
    : runs('gateway')
      ? await cluster.ingesters.flusher()
      : undefined;
  const compactor =
    storage && runs('compactor')
      ? startCompactor({
          ...(log ?? storage),
          share: await deps.rings.share('compactor'),
          // Heads of an embedded log are in this process.
          flush: config.writeLog.kind === 'embedded' ? ingester && flush : await cluster.ingesters.flusher(),
        })
      : undefined;
  if (compactor) cluster.announce('compactor');
  /** The frontend of a ruler without a query frontend in its process. */
  let ruleFrontend: QueryFrontend | undefined;
  const startRuleFrontend = async (from: StorageDeps) => {
    ruleFrontend = newFrontend(from, querier ?? (await makeQuerier(from, undefined)));
    ruleFrontend.start();
    return ruleFrontend;
  };
  const ruler =
    storage && runs('ruler')
      ? await startRuler({
          ...storage,
          localFrontend: async () => frontend?.queries ?? (await startRuleFrontend(storage)),
        })
      : undefined;
  const forwards = runs('gateway');
  const deletesElsewhere = forwards && !compactor ? await cluster.forwarder('compactor') : undefined;
  const rulesElsewhere = forwards && !ruler ? await cluster.forwarder('ruler') : undefined;
  await warmed;
  for (const component of config.components) states.set(component, 'Running');

  return {
    pushes: distributor ?? router,
    ingester,
    ingesterLifecycle,
    flush,
    frontend: frontend?.api,
    longQueries: new LongQueries(workers),
    compactor,
    deletesElsewhere,
    ruler,
    rulesElsewhere,
    partitionCount: () => storage?.partitions.owned ?? config.writeLog.partitions,
    channels: (peer) => cluster.channels(peer),
    join: (rpcPort) => cluster.join(rpcPort),
    async leave() {
      await ruler?.stop();
      await distributor?.drain();
      if (ingester && ingesterLifecycle?.flushesAtEnd) {
        await ingester.flush(AbortSignal.timeout(shutdownFlushMs)).catch((error: unknown) => {
          logger.warn('flush before shutdown failed; the write log has the records', { err: String(error) });
        });
      }
      await compactor?.stop();
      // Sends the last merges to ingesters while they can still be called.
      await storage?.follower?.leave();
      await cluster.leave();
    },
    async stop() {
      frontend?.stop();
      ruleFrontend?.stop();
      // Waits for pushes that arrived during the flush.
      await distributor?.drain();
      await ingester?.stop();
      distributing?.growth?.stop();
      distributing?.streamShards.close();
      await closeStorage(storage, log, workers);
      await caches?.close();
    },
  };
}

/** Starts this process's parts of the write path: write log, ingester, distributor. */
async function startWriters(deps: RoleDeps, cluster: Cluster, storage: StorageDeps | undefined) {
  const { config, clock } = deps;
  const runs = (component: Component) => config.components.has(component);
  const log = storage && writing.some(runs) ? await openLog(storage) : undefined;
  const patterns =
    config.patternIngester.enabled && runs('ingester') && storage
      ? new PatternIngester({ ...storage, metrics: patternMetrics(storage.metrics) })
      : undefined;
  if (patterns) cluster.servePatterns(patterns);
  const patternService = await cluster.ingesters.patterns(patterns);
  const streamCounts = runs('ingester')
    ? // Distributors report that a stream is in use up to a quarter of that time late.
      new StreamLimitCounts(clock, { streamIdleMs: 1.25 * config.ingester.chunkIdlePeriodMs })
    : undefined;
  // Heads of a shared log are in many processes: their lag is unknown here.
  const lag =
    log && runs('ingester') && runs('distributor') && config.writeLog.kind === 'embedded'
      ? new ConsumerLag(deps)
      : undefined;
  const ingester = log && streamCounts ? await startIngester(log, streamCounts, patterns, lag) : undefined;
  const ingesterLifecycle = ingester ? new IngesterLifecycle(deps) : undefined;
  await ingesterLifecycle?.start();
  const distributing =
    log && runs('distributor') ? await startDistributor(log, streamCounts, lag) : undefined;
  return { log, ingester, ingesterLifecycle, distributing, patternService };
}

/** Starts this process's parts of the read path: results caches, querier, frontend. */
async function startReaders(
  deps: RoleDeps,
  cluster: Cluster,
  storage: StorageDeps | undefined,
  patternService: PatternService | undefined,
) {
  const { config } = deps;
  const runs = (component: Component) => config.components.has(component);
  const caches = storage && runs('querier') ? openResultsCaches(storage) : undefined;
  const querier = storage && runs('querier') ? await makeQuerier(storage, caches) : undefined;
  const workers = storage?.workers ?? new LazyWorkers(() => startWorkers({ ...deps, size: 1 }));
  const frontend = runs('query-frontend')
    ? startFrontend({ ...deps, cluster, workers }, querier, patternService)
    : undefined;
  if (querier && (!frontend || config.querier.frontendAddresses.length > 0)) await cluster.pull(querier);
  return { caches, querier, frontend, workers };
}

/** Closes write log and object store, once no role uses them. */
async function closeStorage(
  storage: StorageDeps | undefined,
  log: LogDeps | undefined,
  workers: Workers,
): Promise<void> {
  storage?.layout?.close();
  log?.ownership?.stop();
  await log?.writeLog.close();
  await workers.close();
  storage?.diskCache?.close();
}

/** Components with pushes or queries that need a thread at once. */
const clientFacing: readonly Component[] = ['distributor', 'ingester', 'querier'];

const storing: readonly Component[] = ['distributor', 'ingester', 'querier', 'compactor', 'ruler'];

const writing: readonly Component[] = ['distributor', 'ingester'];

/** @throws if the configured targets cannot work without other parts */
function checkTarget(config: Config): void {
  const [distributor, ingester] = writing.map((component) => config.components.has(component));
  if (config.writeLog.kind === 'embedded' && distributor !== ingester) {
    throw new Error(
      'the embedded write log serves one process: run distributor and ingester in it (-target=write), or set write_log.kind to kafka',
    );
  }
}
