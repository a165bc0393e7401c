/** Boots one process of a simulated cluster from real roles. */
import {
  DeleteRequests,
  HiddenRows,
  SharedLogs,
  committedSegments,
  partitionCommitters,
} from '@loki/catalog';
import type { Catalog } from '@loki/catalog';
import { Compactor, compactorDefaults } from '@loki/compactor';
import { buildLimits } from '@loki/config';
import type { Limits, LimitsSource } from '@loki/config';
import { Distributor } from '@loki/distributor';
import { Ingester } from '@loki/ingester';
import { Querier } from '@loki/querier';
import { WorkShare, ownedPartitions, partitionLeadership } from '@loki/ring';
import { Metrics, compactorMetrics, distributorMetrics, ingesterMetrics } from '@loki/telemetry';
import { VirtualWorkers, traceLogger } from '@loki/virtual';
import { bugsOf } from './cluster-bugs.ts';
import { NetworkOwners } from './cluster-owners.ts';
import type { Birth, Booted, ClusterWorld, IngesterNode } from './cluster-world.ts';
import {
  catalogOf,
  catalogSizes,
  followCatalog,
  leadGrowth,
  startLayout,
  startShards,
} from './node-catalog.ts';
import { hook, join, logOf, storeOf, viewOf } from './node-services.ts';
import { limitsWith } from './sim-node.ts';

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
  followCatalog({ catalog, layout: partitions, requests, owners: ingesters }, birth, world);
  const querier = new Querier({
    ingesters,
    catalog: bugs.readerCatalog(catalog),
    workers: new VirtualWorkers(process, objectStore),
    logger,
    hidden: new HiddenRows({ clock, requests: bugs.readerDeletes(requests) }),
    opensAhead: true,
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
  const follower = followCatalog({ catalog, layout: partitions, requests, owners: ingesters }, birth, world);
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
