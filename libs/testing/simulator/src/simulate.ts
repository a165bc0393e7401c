/** One seed with one process: clients, faults, judgement. */
import { PartitionCatalog } from '@loki/catalog';
import { parseTenantId } from '@loki/model';
import { VirtualBucket, VirtualDisk, VirtualProcess, noDiskFaults, noStoreFaults } from '@loki/virtual';
import { alwaysOf } from './always.ts';
import type { LedgerEntry } from './ledger.ts';
import type { PlantedBug } from './planted-bugs.ts';
import {
  calling,
  entriesOf,
  everythingOf,
  isDiskError,
  isExcused,
  settleMs,
  settledAnswer,
} from './sim-clients.ts';
import { drawFaults, noFaults } from './sim-faults.ts';
import type { FaultProfile } from './sim-faults.ts';
import { drawIngesterOptions } from './sim-ingester-options.ts';
import { SimNode } from './sim-node.ts';
import type { SimCount, SimWorld } from './sim-node.ts';
import { drawStreamRates } from './sim-shards.ts';
import { Workload, drawProfile } from './sim-workload.ts';
import type { Push } from './sim-workload.ts';
import { ReadSimulation } from './simulation.ts';
import type { Direction, PushMessage, SimulationOptions, SimulationResult } from './simulation.ts';
import { storeFaults } from './store-faults.ts';

type SimCounts = Record<SimCount | 'crashes' | 'queries' | 'queriesFailed', number>;

/** Violated promises and counts of one seed with one process. */
export type SimResult = SimulationResult<SimCounts>;

const pushTimeoutMs = 2_000;
const queryTimeoutMs = 20_000;

/**
 * One seed: clients push to and query a whole process of roles, under all faults that the seed draws. Then
 * the faults end, and answers are compared with the ledger: from the heads, after a flush, and after one more
 * crash.
 */
export function simulate(options: SimulationOptions<PlantedBug>): Promise<SimResult> {
  return new ProcessSimulation(options).run();
}

class ProcessSimulation extends ReadSimulation<SimCounts> {
  protected readonly workload: Workload;
  readonly #world: SimWorld;
  protected readonly counts: SimCounts = {
    repeats: 0,
    duplicates: 0,
    quarantined: 0,
    flushes: 0,
    flushesLost: 0,
    sharded: 0,
    crashes: 0,
    queries: 0,
    queriesFailed: 0,
  };
  /** No client retries and no line is sent twice: then (writerId, sequence) alone prevents repeats. */
  readonly #isSequenceOnly: boolean;
  #faults: FaultProfile;
  #node: SimNode | undefined;
  #booting: VirtualProcess | undefined;
  #incarnation = 0;

  constructor(options: SimulationOptions<PlantedBug>) {
    super(options, options.seed, 'simulation');
    const { seed, bug, always } = options;
    const streamRates = drawStreamRates(seed, bug);
    const faults = { ...drawFaults(this.random.fork('faults')), ...alwaysOf(always).process };
    // Steps of sharded streams depend on the wall clock: their promise does not cover a clock that is wrong
    // by hours.
    const effectiveFaults = streamRates ? { ...faults, clockJumpEveryMs: Number.POSITIVE_INFINITY } : faults;
    const profile = drawProfile(this.random.fork('profile'));
    this.#isSequenceOnly = this.random.chance(0.15) || bug === 'sequenceIgnored';
    this.workload = new Workload(
      this.random.fork('workload'),
      this.#isSequenceOnly ? { ...profile, repeatOdds: 0 } : profile,
    );
    this.#faults = effectiveFaults;
    const bucket = new VirtualBucket(this.random.fork('bucket'));
    bucket.faults = { ...effectiveFaults.store };
    if (bug === 'checksumIgnored') bucket.faults = { ...bucket.faults, bitFlip: 0.1, flipShape: 'unseen' };
    const disk = new VirtualDisk(this.random.fork('disk'));
    disk.faults = { ...effectiveFaults.disk };
    this.#world = {
      disk,
      bucket,
      partitionCount: this.random.int(1, 3),
      faults: () => this.#faults,
      bug,
      hasRival: this.random.chance(0.3),
      ingesterOptions: {
        ...drawIngesterOptions(this.random.fork('options')),
        dropDuplicates: !this.#isSequenceOnly,
      },
      streamRates,
      onCount: (name, by) => void (this.counts[name] += by),
      onHookCrash: (point) => void this.scheduler.after(0, `crash at ${point}`, () => this.#crash()),
    };
  }

  protected async play(): Promise<void> {
    this.#boot();
    const clients = this.random.int(1, 4);
    this.clientsRunning = clients;
    for (let i = 0; i < clients; i++) this.background(this.#push(`client-${i}`, this.random.int(5, 30)));
    this.background(this.query());
    this.#startNemesis();
    await this.scheduler.run({ until: () => this.clientsRunning === 0 || this.violations.length > 0 });
    this.#heal();
    if (this.violations.length === 0) await this.scheduler.settle(this.#finalJudgement());
  }

  // ---- clients

  #push(name: string, pushes: number): Promise<void> {
    return this.pushAll(name, pushes, {
      pauseMaxMs: 500,
      neverRepeats: this.#isSequenceOnly,
      beforeAttempt: async (client) => {
        while (!this.#node && client.random.chance(0.9)) await client.timers.sleep(200);
      },
    });
  }

  protected async send(
    client: VirtualProcess,
    push: Push,
    request: PushMessage,
  ): Promise<number | undefined> {
    const node = this.#node;
    if (!node) return undefined;
    const call = () => node.distributor.push(parseTenantId(push.tenant), request);
    return (await calling(client, pushTimeoutMs, call)).status;
  }

  protected override canRead(): boolean {
    return this.#node !== undefined;
  }

  protected async read(client: VirtualProcess, tenant: string, direction: Direction): Promise<LedgerEntry[]> {
    return calling(client, queryTimeoutMs, async () => {
      const { querier } = this.#node!;
      const result = await querier.runLeaf(everythingOf(tenant, direction));
      if (result.kind !== 'log') throw new Error('a log leaf was answered with samples');
      return entriesOf(tenant, result);
    });
  }

  // ---- faults

  #boot(): void {
    const process = new VirtualProcess(this.scheduler, `node-${this.#incarnation++}`);
    this.#booting = process;
    SimNode.boot(process, this.#world).then(
      (node) => {
        this.#booting = undefined;
        this.#node = node;
        this.scheduler.note(`${process.name} is up`);
      },
      (error: unknown) => {
        process.kill();
        this.#booting = undefined;
        this.scheduler.note(`${process.name} did not start: ${String(error)}`);
        if (!isExcused(error) && !isDiskError(error)) this.scheduler.fail(error);
        else this.scheduler.after(500, 'boot again', () => this.#boot());
      },
    );
  }

  #crash(): void {
    const isUp = this.#node !== undefined || this.#booting !== undefined;
    if (!isUp) return;
    this.counts.crashes++;
    this.#node?.kill();
    this.#booting?.kill();
    this.#node = undefined;
    this.#booting = undefined;
    this.#world.disk.crash();
    this.scheduler.after(this.random.float() * 3_000, 'boot', () => this.#boot());
  }

  #startNemesis(): void {
    const random = this.random.fork('nemesis');
    const { disk, bucket } = this.#world;
    const drawProcess = () =>
      this.#node?.rival && random.chance(0.5) ? this.#node.rival.process : this.#node?.process;
    this.every(this.#faults.crashEveryMs, random, 'crash', () => this.#crash());
    this.every(this.#faults.pauseEveryMs, random, 'pause', () =>
      drawProcess()?.pause(random.float() * 5_000),
    );
    this.every(this.#faults.clockJumpEveryMs, random, 'clock', () => {
      const process = drawProcess();
      if (process) process.clock.offsetMs = (random.float() - 0.5) * 2 * 86_400_000;
    });
    this.every(this.#faults.storeDownEveryMs, random, 'store down', () => {
      bucket.faults.down = true;
      this.scheduler.after(random.float() * 10_000, 'store up', () => (bucket.faults.down = false));
    });
    this.every(this.#faults.diskFullEveryMs, random, 'disk full', () => {
      disk.faults.capacityBytes = disk.usedBytes + random.int(0, 2_000);
      const room = () => (disk.faults.capacityBytes = Number.POSITIVE_INFINITY);
      this.scheduler.after(random.float() * 5_000, 'disk has room', room);
    });
    this.every(this.#faults.flushEveryMs, random, 'flush', () => {
      const node = this.#node;
      const ingester = node?.rival && random.chance(0.5) ? node.rival.ingester : node?.ingester;
      ingester?.flush().catch((error: unknown) => {
        if (!isExcused(error)) this.scheduler.fail(error);
      });
    });
    this.every(1_000, random, 'bounds', () => this.#checkBounds());
  }

  #checkBounds(): void {
    const max = this.#world.ingesterOptions.headBytesMax! + 200_000;
    const bytes = this.#node?.ingester.headBytes() ?? 0;
    if (bytes > max) this.add([{ kind: 'bound', text: `bound: heads hold ${bytes} bytes of ${max}` }]);
  }

  #heal(): void {
    this.isHealed = true;
    this.#faults = noFaults;
    this.#world.disk.faults = { ...noDiskFaults };
    this.#world.bucket.faults = { ...noStoreFaults };
    this.scheduler.note('healed');
    if (this.#node) this.#node.process.clock.offsetMs = 0;
  }

  // ---- the judgement

  async #finalJudgement(): Promise<void> {
    const judge = new VirtualProcess(this.scheduler, 'judge');
    await this.#settled(judge);
    if (this.violations.length > 0) return;
    const before = await this.#checkAll(judge);
    await calling(judge, settleMs, () => this.#node!.ingester.flush());
    const flushed = await this.#checkAll(judge);
    if (before !== flushed) {
      this.add([{ kind: 'changed', text: `changed: ${before} rows, ${flushed} after a flush` }]);
    }
    await this.#checkStore(judge);
    this.#crash();
    await this.#settled(judge);
    if (this.violations.length > 0) return;
    const recovered = await this.#checkAll(judge);
    if (recovered !== flushed) {
      this.add([{ kind: 'changed', text: `changed: ${flushed} rows, ${recovered} after a crash` }]);
    }
  }

  /**
   * All faults have ended: within a minute the process must be up and caught up, and pushes on their way be
   * stored.
   */
  async #settled(judge: VirtualProcess): Promise<void> {
    const untilMs = this.scheduler.nowMs + settleMs;
    const isReady = () => this.#node?.ingester.isReady() && (this.#node.rival?.ingester.isReady() ?? true);
    while (!isReady()) {
      if (this.scheduler.nowMs > untilMs) {
        this.add([{ kind: 'stuck', text: `stuck: not ready ${settleMs} ms after all faults were gone` }]);
        return;
      }
      await judge.timers.sleep(200);
    }
    await calling(judge, settleMs, () => this.#node!.distributor.drain());
  }

  async #checkAll(judge: VirtualProcess): Promise<number> {
    let rows = 0;
    for (const tenant of this.workload.tenants) {
      rows += (await settledAnswer(judge, this.scheduler, () => this.check(judge, tenant))).length;
    }
    return rows;
  }

  /**
   * Manifests are gapless (a catalog that loads proves it), and each segment that they name is present and
   * intact.
   */
  async #checkStore(judge: VirtualProcess): Promise<void> {
    const { bucket, partitionCount } = this.#world;
    const keys: string[] = [];
    for (let partition = 0; partition < partitionCount; partition++) {
      const catalog = new PartitionCatalog({ objectStore: bucket.client(judge), partition });
      await catalog.load();
      keys.push(...catalog.state.live.keys());
    }
    this.add(storeFaults(bucket, keys));
  }
}
