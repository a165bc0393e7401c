/** The catalog, layout and shards that a process of a simulated cluster has read. */
import { Catalog, CatalogFollower, PartitionLayout, SharedLogs, StreamShards } from '@loki/catalog';
import type { DeleteRequests, Partitions } from '@loki/catalog';
import type { WriteLog } from '@loki/ports';
import { traceLogger } from '@loki/virtual';
import { bugsOf, noNews } from './cluster-bugs.ts';
import type { NetworkOwners } from './cluster-owners.ts';
import type { Birth, ClusterWorld } from './cluster-world.ts';
import { storeOf } from './node-services.ts';
import { isExcused } from './sim-clients.ts';
import { countingShards } from './sim-shards.ts';
import type { SimShards } from './sim-shards.ts';

/** Sooner than in production, and longer than a store that is down takes to come back. */
const layoutTimes = { followMs: 1_000, staleMs: 3_000, stageMs: 5_000, leadSeconds: 14 };

/** With clocks that differ: the right one is stated within a stage, also when its process has crashed. */
const skewedStageMs = 15_000;

/** The number of partitions that one process has read. */
export async function startLayout(birth: Birth, world: ClusterWorld): Promise<PartitionLayout> {
  const { clock, timers } = birth.process;
  const layout = new PartitionLayout({
    objectStore: storeOf(birth, world),
    clock,
    timers,
    logger: traceLogger(birth.process),
    count: world.partitionCount,
    ...layoutTimes,
    ...(world.skewOf ? { stageMs: skewedStageMs } : {}),
    clockToleranceMs: bugsOf(world.bug).clockToleranceMs,
  });
  await layout.start();
  return layout;
}

/** As each distributor does: leads an addition through its stages. */
export function leadGrowth(
  layout: PartitionLayout,
  log: WriteLog,
  { process }: Birth,
  world: ClusterWorld,
): void {
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
 * Steps begin sooner than in production, so that a seed reaches some; but later than the end of a store's
 * failure.
 */
const shardLeadSeconds = 14;

/** Steps of hot streams, with the shares that the seed draws. */
export async function startShards(birth: Birth, world: ClusterWorld): Promise<SimShards> {
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

/** Small, so that a seed writes checkpoints and removes the covered manifests. */
export const catalogSizes = { checkpointEvery: 8, eraSize: 8, groupBytes: 300 };

/** The read side of the catalog, which follows partitions that are added. */
export function catalogOf(
  partitions: Partitions,
  deps: Pick<ConstructorParameters<typeof Catalog>[0], 'objectStore' | 'timers' | 'logger'>,
): Catalog {
  const catalog = new Catalog({ ...deps, ...catalogSizes, partitionCount: partitions.owned });
  partitions.onChange(() => catalog.grow(partitions.owned));
  return catalog;
}

/** Follows the catalog by news of ingesters, and by the store. */
export function followCatalog(
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

/** Pause between two rounds of a reader; after `netRounds` of them it has all commits. */
export const followMs = 2_000;
