/** One seed with several processes: clients, faults, judgement. */
import { parseTenantId } from '@loki/model';
import { VirtualBucket, VirtualLog, VirtualNetwork, VirtualProcess, VirtualRings } from '@loki/virtual';
import type { Prng } from '@loki/virtual';
import { alwaysOf } from './always.ts';
import type { ClusterBug } from './cluster-bugs.ts';
import {
  drawClusterIngesterOptions,
  drawCompactorOptions,
  drawGrowth,
  drawSkews,
  withinClockPromises,
  withinShardPromises,
} from './cluster-draws.ts';
import { drawClusterFaults, noClusterFaults } from './cluster-faults.ts';
import type { ClusterFaults } from './cluster-faults.ts';
import { Fleet } from './cluster-fleet.ts';
import { startClusterNemesis } from './cluster-nemesis.ts';
import { ClusterStore } from './cluster-store.ts';
import type { ClusterCount, ClusterWorld } from './cluster-world.ts';
import type { LedgerEntry } from './ledger.ts';
import { entriesOf, everythingOf, isExcused } from './sim-clients.ts';
import { drawStreamRates } from './sim-shards.ts';
import { drawProfile, Workload } from './sim-workload.ts';
import type { Push } from './sim-workload.ts';
import { ReadSimulation, Stuck } from './simulation.ts';
import type { Direction, PushMessage, SimulationOptions, SimulationResult } from './simulation.ts';

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
    const skewOf = this.#growth && drawSkews(seed, bug);
    const promised = streamRates || this.#growth ? withinShardPromises(faults) : faults;
    this.#faults = skewOf ? withinClockPromises(promised) : promised;
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
      skewOf: skewOf && ((name) => (this.isHealed ? 0 : skewOf(name))),
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
      // A change of the partitions' number takes half a minute, of clocks that differ a minute more, with
      // rows before and after.
      const pushesOfGrowth = this.#world.skewOf ? 240 : 120;
      const count = this.#growth ? pushesOfGrowth : pushes;
      this.background(this.pushAll(`client-${i}`, count, { pauseMaxMs: 1_000 }));
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
    const store = new ClusterStore(this.#world);
    const { tenants } = this.workload;
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
    this.add(await store.faults(judge, tenants));
    const readers = () => this.#fleet.queriers();
    this.add(await this.#patiently(judge, () => store.readersBehind(judge, readers)));
    this.#fleet.crashAll();
    this.#compare(flushed, await rows(), 'a crash');
    if (!this.#hasDeletes || this.random.chance(0.6)) return;
    await judge.timers.sleep(deletesOverMs);
    await rows();
    this.add(await store.faults(judge, tenants));
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
}
