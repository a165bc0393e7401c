/** Boots one process of a simulated cluster from real roles. */
import {
  Catalog,
  CatalogFollower,
  DeleteRequests,
  HiddenRows,
  PartitionLayout,
  SharedLogs,
  StreamShards,
  committedSegments,
  partitionCommitters,
} from '@loki/catalog';
import type { Partitions } from '@loki/catalog';
import { Compactor, compactorDefaults } from '@loki/compactor';
import { buildLimits } from '@loki/config';
import type { Limits, LimitsSource } from '@loki/config';
import { Distributor } from '@loki/distributor';
import { Ingester } from '@loki/ingester';
import type { WriteLog } from '@loki/ports';
import { Querier } from '@loki/querier';
import { WorkShare, ownedPartitions, partitionLeadership } from '@loki/ring';
import { Metrics, compactorMetrics, distributorMetrics, ingesterMetrics } from '@loki/telemetry';
import { VirtualWorkers, traceLogger } from '@loki/virtual';
import { bugsOf, noNews } from './cluster-bugs.ts';
import { NetworkOwners } from './cluster-owners.ts';
import type { Birth, Booted, ClusterWorld, IngesterNode } from './cluster-world.ts';
import { hook, join, logOf, storeOf, viewOf } from './node-services.ts';
import { isExcused } from './sim-clients.ts';
import { limitsWith } from './sim-node.ts';
import { countingShards } from './sim-shards.ts';
import type { SimShards } from './sim-shards.ts';

export type NodeKind = 'distributor' | 'ingester' | 'querier' | 'compactor';

interface DistributorNode extends Booted {
  readonly kind: 'distributor';
  readonly distributor: Distributor;
}

interface QuerierNode extends Booted {
  readonly kind: 'querier';
  readonly querier: Querier;
  readonly catalog: Catalog;
}

interface CompactorNode extends Booted {
  readonly kind: 'compactor';
  readonly compactor: Compactor;
  readonly requests: DeleteRequests;
}

export type ClusterNode = DistributorNode | IngesterNode | QuerierNode | CompactorNode;

const distributorLimits: Limits = {
  ...buildLimits(new Map(), { maxReturnedStreamErrors: 10 }),
  discoverServiceName: [],
  discoverLogLevels: false,
  rejectOldSamples: false,
  deletionMode: 'filter-and-delete',
};

const limits: LimitsSource = { forTenant: () => distributorLimits };

/** Starts one process over its links. Rejects when a service that it needs at its start does not answer. */
export async function bootNode(kind: NodeKind, birth: Birth, world: ClusterWorld): Promise<ClusterNode> {
  switch (kind) {
    case 'distributor':
      return bootDistributor(birth, world);
    case 'ingester':
      return bootIngester(birth, world);
    case 'querier':
      return bootQuerier(birth, world);
    case 'compactor':
      return bootCompactor(birth, world);
  }
}

/** The read side of the catalog, which follows partitions that are added. */
function catalogOf(
  partitions: Partitions,
  deps: Pick<ConstructorParameters<typeof Catalog>[0], 'objectStore' | 'timers' | 'logger'>,
): Catalog {
  const catalog = new Catalog({ ...deps, ...catalogSizes, partitionCount: partitions.owned });
  partitions.onChange(() => catalog.grow(partitions.owned));
  return catalog;
}

/** Follows the catalog by news of ingesters, and by the store. */
function follow(
  deps: { catalog: Catalog; layout: PartitionLayout; requests: DeleteRequests; owners: NetworkOwners },
  { process }: Birth,
  world: ClusterWorld,
): CatalogFollower {
  const { catalog, layout, requests, owners } = deps;
  const bugs = bugsOf(world.bug);
  const sharedLogs = new SharedLogs();
  sharedLogs.reads('layout', layout.shared);
  const follower = new CatalogFollower({
    catalog,
    requests,
    timers: process.timers,
    random: process.random.fork('follower'),
    logger: traceLogger(process),
    news: world.isNewsLost ? noNews : bugs.readerNews(owners.catalogNews()),
    sharedLogs,
    pollMs: followMs,
    netRounds: bugs.netRounds,
  });
  follower.start();
  return follower;
}

/** Pause between two rounds of a reader; with `netRounds` of them all is known. */
export const followMs = 2_000;

async function bootDistributor(birth: Birth, world: ClusterWorld): Promise<DistributorNode> {
  const { process } = birth;
  const { clock, timers, random } = process;
  const streamShards = world.streamRates && (await startShards(birth, world));
  const layout = await startLayout(birth, world);
  const bugs = bugsOf(world.bug);
  const writeLog = bugs.distributorLog(logOf(birth, world), process);
  await layout.advance(writeLog.partitionCount);
  leadGrowth(layout, writeLog, birth, world);
  const limits = limitsWith(distributorLimits, world.streamRates);
  const distributor = new Distributor(
    {
      clock,
      timers,
      random: random.fork('distributor'),
      workers: new VirtualWorkers(process, storeOf(birth, world)),
      writeLog,
      limits,
      logger: traceLogger(process),
      metrics: distributorMetrics(new Metrics()),
      healthyDistributors: () => 1,
      streamShards,
      partitions: bugs.writerPartitions(layout),
    },
    { lingerMs: random.pick([0, 5, 50]) },
  );
  return { ...birth, kind: 'distributor', distributor };
}

/** Small, so that a seed writes checkpoints and removes what they cover. */
export const catalogSizes = { checkpointEvery: 8, eraSize: 8, groupBytes: 300 };

/** Sooner than in production, and longer than a store that is down takes to come back. */
const layoutTimes = { followMs: 1_000, staleMs: 3_000, stageMs: 5_000, leadSeconds: 14 };

/** The number of partitions as one process knows it. */
async function startLayout(birth: Birth, world: ClusterWorld): Promise<PartitionLayout> {
  const { clock, timers } = birth.process;
  const layout = new PartitionLayout({
    objectStore: storeOf(birth, world),
    clock,
    timers,
    logger: traceLogger(birth.process),
    count: world.partitionCount,
    ...layoutTimes,
  });
  await layout.start();
  return layout;
}

/** As each distributor does: leads an addition through its stages. */
function leadGrowth(layout: PartitionLayout, log: WriteLog, { process }: Birth, world: ClusterWorld): void {
  const before = layout.steps.length;
  const look = async (): Promise<void> => {
    for (;;) {
      await process.timers.sleep(1_000);
      try {
        const askedMs = process.clock.monotonicMs();
        await layout.advance(await log.countPartitions!(), askedMs);
        if (layout.steps.length > before) world.onCount('grown', 1);
      } catch (error) {
        if (!isExcused(error)) throw error;
      }
    }
  };
  look().catch((error: unknown) => process.scheduler.fail(error));
}

/**
 * Steps begin sooner than in production, so that a seed reaches some; but later than a failed store comes
 * back.
 */
const shardLeadSeconds = 14;

async function startShards(birth: Birth, world: ClusterWorld): Promise<SimShards> {
  const { clock, timers, name } = birth.process;
  const shards = new StreamShards({
    objectStore: storeOf(birth, world),
    clock,
    timers,
    logger: traceLogger(birth.process),
    writer: name,
    healthyDistributors: () => 3,
    leadSecondsShared: shardLeadSeconds,
    refreshMs: 1_000,
  });
  await shards.start();
  return countingShards(shards, world.onCount);
}

async function bootIngester(birth: Birth, world: ClusterWorld): Promise<IngesterNode> {
  const { name, process } = birth;
  const { clock, timers, random } = process;
  const { replicationFactor } = world;
  const objectStore = storeOf(birth, world);
  const logger = traceLogger(process);
  const view = await viewOf('ring', birth, world);
  const partitions = await startLayout(birth, world);
  const catalog = catalogOf(partitions, { objectStore, timers, logger });
  const bugs = bugsOf(world.bug);
  const sharedLogs = new SharedLogs();
  sharedLogs.reads('layout', partitions.shared);
  const ingester = new Ingester(
    {
      sharedLogs,
      clock,
      timers,
      random: random.fork('ingester'),
      workers: new VirtualWorkers(process, objectStore),
      writeLog: bugs.ingesterLog(logOf(birth, world)),
      objectStore,
      commits: partitionCommitters({ objectStore, clock, ...catalogSizes }),
      committed: committedSegments(catalog, timers),
      logger,
      metrics: {
        ...ingesterMetrics(new Metrics()),
        recordRepeated: () => world.onCount('repeats', 1),
        duplicatesDropped: (_, rows) => world.onCount('duplicates', rows),
        flushed: () => world.onCount('flushes', 1),
        flushLost: () => world.onCount('flushesLost', 1),
      },
      limits,
      isLeader: partitionLeadership(view, name),
      simHook: () => hook(process, world),
    },
    ownedPartitions(view, name, { partitions, replicationFactor }),
    world.ingesterOptions,
  );
  ingester.start();
  const leave = await join('ring', birth, view, world);
  return { ...birth, kind: 'ingester', ingester, leave };
}

async function bootQuerier(birth: Birth, world: ClusterWorld): Promise<QuerierNode> {
  const { process } = birth;
  const { clock, timers } = process;
  const { replicationFactor } = world;
  const objectStore = storeOf(birth, world);
  const logger = traceLogger(process);
  const view = await viewOf('ring', birth, world);
  const partitions = await startLayout(birth, world);
  const catalog = catalogOf(partitions, { objectStore, timers, logger });
  await catalog.refresh();
  const requests = new DeleteRequests({ objectStore, clock, timers });
  await requests.load();
  const bugs = bugsOf(world.bug);
  const partitionsAsked = bugs.readerPartitions(partitions);
  const ingesters = new NetworkOwners({ birth, view, world, partitions: partitionsAsked, replicationFactor });
  follow({ catalog, layout: partitions, requests, owners: ingesters }, birth, world);
  const querier = new Querier({
    ingesters,
    catalog: bugs.readerCatalog(catalog),
    workers: new VirtualWorkers(process, objectStore),
    logger,
    hidden: new HiddenRows({ clock, requests: bugs.readerDeletes(requests) }),
  });
  return { ...birth, kind: 'querier', querier, catalog };
}

async function bootCompactor(birth: Birth, world: ClusterWorld): Promise<CompactorNode> {
  const { name, process } = birth;
  const { clock, timers, random } = process;
  const { replicationFactor } = world;
  const objectStore = storeOf(birth, world);
  const logger = traceLogger(process);
  const view = await viewOf('compactor', birth, world);
  const partitions = await startLayout(birth, world);
  const ingesters = new NetworkOwners({
    birth,
    view: await viewOf('ring', birth, world),
    world,
    partitions,
    replicationFactor,
  });
  const share = new WorkShare(view, name);
  const catalog = catalogOf(partitions, { objectStore, timers, logger });
  const requests = new DeleteRequests({ objectStore, clock, timers });
  await requests.load();
  const bugs = bugsOf(world.bug);
  const follower = follow({ catalog, layout: partitions, requests, owners: ingesters }, birth, world);
  const compactor = new Compactor({
    objectStore,
    catalog,
    partitions: () => catalog.partitions(),
    catchUp: (signal) => follower.catchUp(signal),
    clock,
    timers,
    random: random.fork('compactor'),
    workers: bugs.compactorWorkers(new VirtualWorkers(process, objectStore), objectStore),
    logger,
    metrics: {
      ...compactorMetrics(new Metrics()),
      merged: () => world.onCount('merges', 1),
      objectDeleted: () => world.onCount('objectsDeleted', 1),
    },
    limits,
    requests,
    writeLog: logOf(birth, world),
    flush: () => ingesters.flush(),
    owns: (tenant, day) => share.owns(`${tenant}/${day}`),
    sweeps: () => share.owns('sweep'),
    simHook: () => hook(process, world),
    options: { ...compactorDefaults, ...world.compactorOptions },
  });
  compactor.start();
  const leave = await join('compactor', birth, view, world);
  return { ...birth, kind: 'compactor', compactor, requests, leave };
}
