/** One seed with several processes: clients, faults, judgement. */
import { Catalog } from '@loki/catalog';
import type { CompactorOptions } from '@loki/compactor';
import type { IngesterOptions } from '@loki/ingester';
import { parseTenantId } from '@loki/model';
import { Prng, VirtualBucket, VirtualLog, VirtualNetwork, VirtualProcess, VirtualRings } from '@loki/virtual';
import { alwaysOf } from './always.ts';
import { bugsOf } from './cluster-bugs.ts';
import type { ClusterBug } from './cluster-bugs.ts';
import { drawClusterFaults, noClusterFaults } from './cluster-faults.ts';
import type { ClusterFaults } from './cluster-faults.ts';
import { Fleet } from './cluster-fleet.ts';
import { startClusterNemesis } from './cluster-nemesis.ts';
import { catalogSizes, followMs } from './cluster-nodes.ts';
import type { ClusterCount, ClusterWorld } from './cluster-world.ts';
import type { LedgerEntry } from './ledger.ts';
import { entriesOf, everythingOf, isExcused } from './sim-clients.ts';
import { drawIngesterOptions } from './sim-ingester-options.ts';
import { drawStreamRates } from './sim-shards.ts';
import { drawProfile, Workload } from './sim-workload.ts';
import type { Push } from './sim-workload.ts';
import { ReadSimulation, Stuck } from './simulation.ts';
import type { Direction, PushMessage, SimulationOptions, SimulationResult } from './simulation.ts';
import { storeFaults } from './store-faults.ts';

type ClusterCounts = Record<
  ClusterCount | 'crashes' | 'queries' | 'queriesFailed' | 'deletes' | 'moved',
  number
>;

/** Violated promises and counts of one seed with several processes. */
export type ClusterSimResult = SimulationResult<ClusterCounts>;

/** Virtual time in which a cluster without faults must settle. */
const settleMs = 60_000;
/** Longer than a distributor tries to append a batch. */
const pushesOverMs = 25_000;
/**
 * Finished deletes are applied to answers for a quarter of an hour more; after that the rows must be gone.
 */
const deletesOverMs = 20 * 60_000;

/**
 * One seed: clients push, query and delete over several distributors, ingesters in zones, queriers and
 * compactors, under all faults that the seed draws. Then the faults end, and answers are compared with the
 * ledger: from the heads, flushed, compacted, and after a crash of all processes.
 */
export function simulateCluster(options: SimulationOptions<ClusterBug>): Promise<ClusterSimResult> {
  return new ClusterSimulation(options).run();
}

class ClusterSimulation extends ReadSimulation<ClusterCounts> {
  protected readonly workload: Workload;
  readonly #world: ClusterWorld;
  readonly #fleet: Fleet;
  readonly #hasDeletes: boolean;
  /** Partitions are added while clients push. */
  readonly #growth: Prng | undefined;
  protected readonly counts: ClusterCounts = {
    sharded: 0,
    grown: 0,
    repeats: 0,
    duplicates: 0,
    flushes: 0,
    flushesLost: 0,
    merges: 0,
    objectsDeleted: 0,
    crashes: 0,
    queries: 0,
    queriesFailed: 0,
    deletes: 0,
    moved: 0,
  };
  #faults: ClusterFaults;

  constructor(options: SimulationOptions<ClusterBug>) {
    super(options, `cluster ${options.seed}`, 'simulation');
    const { seed, bug, always } = options;
    const { random } = this;
    const streamRates = drawStreamRates(seed);
    const faults = { ...drawClusterFaults(random.fork('faults')), ...alwaysOf(always).cluster };
    this.#growth = drawGrowth(seed, bug);
    this.#faults = streamRates || this.#growth ? withinShardPromises(faults) : faults;
    this.workload = new Workload(random.fork('workload'), drawProfile(random.fork('profile')));
    this.#hasDeletes = random.chance(0.4);
    const partitionCount = random.int(1, 4);
    const network = new VirtualNetwork(random.fork('network'));
    const bucket = new VirtualBucket(random.fork('bucket'));
    const log = new VirtualLog(random.fork('log'), partitionCount);
    log.answersEarly = bug === 'ackBeforeReplicas';
    const rings = new VirtualRings(random.fork('rings'));
    network.faults = { ...this.#faults.network };
    bucket.faults = { ...this.#faults.store };
    log.faults = { ...this.#faults.log };
    rings.faults = { ...this.#faults.ring };
    this.#world = {
      network,
      bucket,
      log,
      rings,
      partitionCount,
      replicationFactor: random.int(1, 3),
      ingesterOptions: drawClusterIngesterOptions(random.fork('ingester options')),
      compactorOptions: drawCompactorOptions(random.fork('compactor options'), this.#hasDeletes),
      streamRates,
      bug,
      isNewsLost: bug === undefined && seed % 7 === 4,
      faults: () => this.#faults,
      onCount: (name, by) => void (this.counts[name] += by),
      onHookCrash: (process) =>
        void this.scheduler.after(0, 'crash at a hook', () => this.#fleet.crash(process)),
      ingesterOf: (name) => this.#fleet.ingester(name),
    };
    this.#fleet = new Fleet(this.scheduler, this.#world, random.fork('fleet'));
    this.#fleet.onCrash = () => void this.counts.crashes++;
  }

  protected async play(): Promise<void> {
    this.#fleet.start();
    const clients = this.random.int(1, 4);
    this.clientsRunning = clients;
    for (let i = 0; i < clients; i++) {
      const pushes = this.random.int(5, 40);
      // A change of the partitions' number takes half a minute, with rows before and after.
      this.background(this.pushAll(`client-${i}`, this.#growth ? 120 : pushes, { pauseMaxMs: 1_000 }));
    }
    if (this.#growth) this.#addPartitions(this.#growth);
    this.background(this.query());
    if (this.#hasDeletes) this.background(this.#delete());
    startClusterNemesis({
      scheduler: this.scheduler,
      random: this.random.fork('nemesis'),
      world: this.#world,
      fleet: this.#fleet,
      faults: this.#faults,
      isOver: () => this.isHealed,
      onMove: () => void this.counts.moved++,
    });
    await this.scheduler.run({ until: () => this.clientsRunning === 0 || this.violations.length > 0 });
    this.#heal();
    if (this.violations.length === 0) await this.scheduler.settle(this.#finalJudgement());
  }

  #addPartitions(random: Prng): void {
    const { log } = this.#world;
    this.scheduler.after(random.float() * 5_000, 'partitions are added', () =>
      log.addPartitions(random.int(1, 4)),
    );
  }

  // ---- clients

  protected async send(client: VirtualProcess, push: Push, request: PushMessage): Promise<number> {
    const target = this.#fleet.drawNode('distributor', client.random);
    const response = await this.#world.network.call(client, { from: 'clients', to: target }, () =>
      target.node!.distributor.push(parseTenantId(push.tenant), request),
    );
    return response.status;
  }

  /** Now and then a client deletes some lines of a stream. */
  async #delete(): Promise<void> {
    const client = new VirtualProcess(this.scheduler, 'deleter');
    const { random } = client;
    for (let i = 0; i < 2 && !this.isHealed; i++) {
      await client.timers.sleep(3_000 + random.float() * 10_000);
      const tenant = random.pick(this.workload.tenants);
      const digit = String(random.int(0, 9));
      const app = `app-${random.int(0, 2)}`;
      const startMs = client.clock.nowMs() - 3_600_000;
      const endMs = client.clock.nowMs();
      const request = this.ledger.deleteSent(
        (entry) =>
          entry.tenant === tenant &&
          entry.stream.includes(`app="${app}"`) &&
          entry.line.includes(`line ${digit}`) &&
          entry.timestampNs >= BigInt(startMs) * 1_000_000n &&
          entry.timestampNs <= BigInt(endMs) * 1_000_000n,
      );
      const query = `{app="${app}"} |= "line ${digit}"`;
      const target = this.#fleet.drawNode('compactor', random);
      try {
        await this.#world.network.call(client, { from: 'clients', to: target }, () =>
          target.node!.requests.create(tenant, { id: `0000000${i}`, query, startMs, endMs, parts: 1 }),
        );
        request.isAcked = true;
        this.counts.deletes++;
      } catch (error) {
        if (!isExcused(error)) throw error;
      }
    }
  }

  protected async read(client: VirtualProcess, tenant: string, direction: Direction): Promise<LedgerEntry[]> {
    const target = this.#fleet.drawNode('querier', client.random);
    return this.#world.network.call(
      client,
      { from: 'clients', to: target },
      async () => {
        const result = await target.node!.querier.runLeaf(everythingOf(tenant, direction));
        if (result.kind !== 'log') throw new Error('a log leaf was answered with samples');
        return entriesOf(tenant, result);
      },
      20_000,
    );
  }

  #heal(): void {
    this.isHealed = true;
    this.#faults = noClusterFaults;
    const { network, bucket, log, rings } = this.#world;
    network.faults = { ...noClusterFaults.network };
    network.healAll();
    bucket.faults = { ...noClusterFaults.store };
    log.faults = { ...noClusterFaults.log };
    rings.faults = { ...noClusterFaults.ring };
    this.scheduler.note('healed');
    this.#fleet.heal();
  }

  // ---- the judgement

  async #finalJudgement(): Promise<void> {
    const judge = new VirtualProcess(this.scheduler, 'judge');
    const rows = () => this.#patiently(judge, () => this.#checkAll(judge));
    // Pushes whose clients have given up may still be on their way.
    await judge.timers.sleep(pushesOverMs);
    const before = await rows();
    await this.#patiently(judge, () =>
      Promise.all(this.#fleet.ingesters().map((ingester) => ingester.flush())),
    );
    const flushed = await rows();
    this.#compare(before, flushed, 'a flush');
    await judge.timers.sleep(3 * (this.#world.compactorOptions.intervalMs ?? 0));
    this.#compare(flushed, await rows(), 'compaction');
    await this.#checkStore(judge);
    await this.#patiently(judge, () => this.#checkReaders(judge));
    this.#fleet.crashAll();
    this.#compare(flushed, await rows(), 'a crash');
    if (!this.#hasDeletes || this.random.chance(0.6)) return;
    await judge.timers.sleep(deletesOverMs);
    await rows();
    await this.#checkStore(judge);
  }

  #compare(before: number, after: number, change: string): void {
    // A delete that was sent may take effect at any time.
    if (this.#hasDeletes || before === after) return;
    this.add([{ kind: 'changed', text: `changed: ${before} rows, ${after} after ${change}` }]);
  }

  /** All faults have ended: within a minute every request must be answered. */
  async #patiently<T>(judge: VirtualProcess, work: () => Promise<T>): Promise<T> {
    const untilMs = this.scheduler.nowMs + settleMs;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isExcused(error)) throw error;
        if (this.scheduler.nowMs > untilMs) {
          throw new Stuck(`${settleMs} ms without faults: ${String(error)}`);
        }
      }
      await judge.timers.sleep(500);
    }
  }

  async #checkAll(judge: VirtualProcess): Promise<number> {
    let rows = 0;
    for (const tenant of this.workload.tenants) rows += (await this.check(judge, tenant)).length;
    return rows;
  }

  /** Without a query, and whatever news were lost: after the rounds of the net a reader knows all. */
  async #checkReaders(judge: VirtualProcess): Promise<void> {
    const numbersOf = (catalog: Catalog): number[] => [
      catalog.compacted.number,
      ...catalog.partitions().map(({ state }) => state.number),
    ];
    const store = this.#catalog(judge);
    await store.refresh();
    const newest = numbersOf(store);
    const { partition, shared } = bugsOf(undefined).netRounds;
    await judge.timers.sleep((Math.max(partition, shared) + 4) * followMs);
    for (const { name, catalog } of this.#fleet.queriers()) {
      const numbers = numbersOf(catalog);
      if (newest.every((number, i) => numbers[i] >= number)) continue;
      this.add([
        { kind: 'behind', text: `${name} knows manifests up to ${numbers.join()}, not ${newest.join()}` },
      ]);
    }
  }

  #catalog(judge: VirtualProcess): Catalog {
    const { bucket, log } = this.#world;
    return new Catalog({
      objectStore: bucket.client(judge),
      timers: judge.timers,
      partitionCount: log.partitionCount,
      ...catalogSizes,
    });
  }

  /**
   * Manifests are gapless (a catalog that loads proves it), and each segment that is read is present and
   * intact.
   */
  async #checkStore(judge: VirtualProcess): Promise<void> {
    const { bucket } = this.#world;
    const catalog = this.#catalog(judge);
    await catalog.refresh();
    const keys = this.workload.tenants.flatMap((tenant) =>
      catalog.segmentsFor(tenant, 0n, 1n << 62n).map(({ key }) => key),
    );
    this.add(storeFaults(bucket, keys));
  }
}

/** Each third seed adds partitions, and so does each with a planted bug that concerns them. */
function drawGrowth(seed: number, bug: ClusterBug | undefined): Prng | undefined {
  if (bug === 'partitionsByNow' || bug === 'partitionsUnasked') return new Prng(`growth ${seed}`);
  // These seeds are long: other bugs are found without them.
  const mayGrow = bug === undefined || bug === 'appendsOvertake';
  return mayGrow && seed % 3 === 2 ? new Prng(`growth ${seed}`) : undefined;
}

/** More owners, and a log that is read across a network. */
function drawClusterIngesterOptions(random: Prng): Partial<IngesterOptions> {
  return {
    ...drawIngesterOptions(random),
    flushCheckMs: 2_000,
    headBytesMax: 1_200_000,
    readWaitMs: 1_000,
    logMarginRecords: random.pick([0, 0, 20]),
  };
}

/** Times of production in proportion: grace outlives queries, which run 20 s at most. */
function drawCompactorOptions(random: Prng, removesRows: boolean): Partial<CompactorOptions> {
  return {
    intervalMs: random.pick([1_000, 5_000]),
    settleMs: random.pick([0, 1_000]),
    closeDelayMs: random.pick([5_000, 60_000]),
    fanIn: random.pick([2, 3]),
    dropAfterMs: 30_000,
    deleteDelayMs: 30_000,
    orphanAfterMs: 120_000,
    orphanIntervalMs: 5_000,
    commitWithinMs: 30_000,
    removeManifestsAfterMs: 1_000,
    cancelPeriodMs: random.pick([0, 5_000]),
    removesRows,
  };
}

/**
 * Steps of sharded streams promise nothing to a clock that is hours wrong, nor to a process that only the
 * store cannot reach.
 */
function withinShardPromises(faults: ClusterFaults): ClusterFaults {
  return { ...faults, clockJumpEveryMs: Number.POSITIVE_INFINITY, cutEveryMs: Number.POSITIVE_INFINITY };
}
