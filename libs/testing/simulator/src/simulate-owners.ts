/** One seed with two processes that compete for one object store. */
import { OwnerMark } from '@loki/catalog';
import { LokiError, parseTenantId } from '@loki/model';
import { noDiskFaults, noStoreFaults, VirtualBucket, VirtualDisk, VirtualProcess } from '@loki/virtual';
import { calling, entriesOf, everythingOf, isExcused } from './sim-clients.ts';
import { drawFaults, noFaults } from './sim-faults.ts';
import type { FaultProfile } from './sim-faults.ts';
import { drawIngesterOptions } from './sim-ingester-options.ts';
import { SimNode } from './sim-node.ts';
import type { SimWorld } from './sim-node.ts';
import { drawProfile, Workload } from './sim-workload.ts';
import type { Push } from './sim-workload.ts';
import { Simulation } from './simulation.ts';
import type { PushMessage, SimulationOptions, SimulationResult } from './simulation.ts';

/** Mistakes that the judgement must find. */
export const ownerBugs = {
  marksIgnored: 'a second embedded log starts on a store that belongs to another one',
  foreignCommitsTaken: 'records at offsets that another log has committed are let go',
} as const;

/** Name of a mistake in the ownership of a store that the simulator must find. */
export type OwnerBug = keyof typeof ownerBugs;

type OwnersCounts = Record<'moves' | 'refused' | 'lost' | 'crashes' | 'flushes' | 'together', number>;

/** Violated promises and counts of one seed with two logs and one store. */
export type OwnersSimResult = SimulationResult<OwnersCounts>;

/** A machine with a directory of its own; a supervisor starts its process again whenever that has ended. */
interface Site {
  readonly name: string;
  readonly disk: VirtualDisk;
  readonly world: SimWorld;
  logId: string | undefined;
  process: VirtualProcess | undefined;
  node: SimNode | undefined;
}

const settleMs = 120_000;

/**
 * One seed: two processes with embedded write logs compete for one object store; an operator moves the mark
 * between them while both accept pushes, crash and pause. All lines that either has acknowledged must be in
 * the store once each log has owned it one more time.
 */
export function simulateOwners(options: SimulationOptions<OwnerBug>): Promise<OwnersSimResult> {
  return new OwnersSimulation(options).run();
}

class OwnersSimulation extends Simulation<OwnersCounts> {
  readonly #bug: OwnerBug | undefined;
  protected readonly workload: Workload;
  readonly #bucket: VirtualBucket;
  readonly #sites: readonly Site[];
  protected readonly counts: OwnersCounts = {
    moves: 0,
    refused: 0,
    lost: 0,
    crashes: 0,
    flushes: 0,
    together: 0,
  };
  #faults: FaultProfile;
  #incarnation = 0;

  constructor(options: SimulationOptions<OwnerBug>) {
    super(options, options.seed, 'owners');
    this.#bug = options.bug;
    // Retention of duplicates is judged elsewhere by clocks that jump; here logs change hands.
    const faults = drawFaults(this.random.fork('faults'));
    this.#faults = { ...faults, clockJumpEveryMs: Number.POSITIVE_INFINITY };
    this.workload = new Workload(this.random.fork('workload'), drawProfile(this.random.fork('profile')));
    this.#bucket = new VirtualBucket(this.random.fork('bucket'));
    this.#bucket.faults = { ...faults.store };
    const partitionCount = this.random.int(1, 3);
    const ingesterOptions = drawIngesterOptions(this.random.fork('options'));
    this.#sites = ['blue', 'green'].map((name) => this.#newSite(name, partitionCount, ingesterOptions));
  }

  #newSite(name: string, partitionCount: number, ingesterOptions: SimWorld['ingesterOptions']): Site {
    const disk = new VirtualDisk(this.random.fork(`disk ${name}`));
    disk.faults = { ...this.#faults.disk };
    const bug = this.#bug;
    const site: Site = {
      name,
      disk,
      logId: undefined,
      process: undefined,
      node: undefined,
      world: {
        disk,
        bucket: this.#bucket,
        partitionCount,
        faults: () => this.#faults,
        bug: undefined,
        hasRival: false,
        ingesterOptions,
        streamRates: undefined,
        onCount: (count, by) => {
          if (count === 'flushes') this.counts.flushes += by;
        },
        onHookCrash: (point) =>
          void this.scheduler.after(0, `crash of ${name} at ${point}`, () => this.#crash(site)),
        owner: {
          place: name,
          ignoresMark: bug === 'marksIgnored',
          takesForeignCommits: bug !== undefined,
          onIdentity: (logId) => (site.logId = logId),
          onLost: () => {
            this.counts.lost++;
            this.#end(site);
          },
        },
      },
    };
    return site;
  }

  protected async play(): Promise<void> {
    for (const site of this.#sites) this.#boot(site);
    const clients = this.random.int(1, 4);
    this.clientsRunning = clients;
    for (let i = 0; i < clients; i++) {
      this.background(this.pushAll(`client-${i}`, this.random.int(10, 40), { pauseMaxMs: 800 }));
    }
    this.#startNemesis();
    await this.scheduler.run({ until: () => this.clientsRunning === 0 });
    this.#heal();
    await this.scheduler.settle(this.#judge());
  }

  // ---- clients

  /** A client pushes to either process, like a load balancer without knowledge of the owner. */
  protected async send(
    client: VirtualProcess,
    push: Push,
    request: PushMessage,
  ): Promise<number | undefined> {
    const nodes = this.#sites.flatMap(({ node }) => node ?? []);
    if (nodes.length === 0) return undefined;
    const node = client.random.pick(nodes);
    const call = () => node.distributor.push(parseTenantId(push.tenant), request);
    return (await calling(client, 2_000, call)).status;
  }

  // ---- processes

  #boot(site: Site): void {
    const process = new VirtualProcess(this.scheduler, `${site.name}-${this.#incarnation++}`);
    site.process = process;
    SimNode.boot(process, site.world).then(
      (node) => {
        site.node = node;
        if (this.#sites.every((each) => each.node)) this.counts.together++;
      },
      (error: unknown) => {
        this.scheduler.note(`${process.name} did not start: ${String(error)}`);
        if (isRefusal(error)) this.counts.refused++;
        else if (!isExcused(error) && !isDiskError(error)) this.scheduler.fail(error);
        this.#end(site);
      },
    );
  }

  /** The process has ended; its supervisor starts the next one. */
  #end(site: Site): void {
    site.node?.kill();
    site.process?.kill();
    site.node = undefined;
    site.process = undefined;
    this.scheduler.after(500 + this.random.float() * 2_000, `boot ${site.name}`, () => this.#boot(site));
  }

  #crash(site: Site): void {
    if (!site.process) return;
    this.counts.crashes++;
    site.disk.crash();
    this.#end(site);
  }

  async #moveTo(site: Site, operator: VirtualProcess): Promise<void> {
    if (site.logId === undefined) return;
    const mark = new OwnerMark(this.#bucket.client(operator));
    const owner = { logId: site.logId, place: site.name, sinceMs: operator.clock.nowMs() };
    this.scheduler.note(`mark to ${site.name}`);
    await mark.move(owner).catch((error: unknown) => {
      if (!(error instanceof LokiError)) throw error; // The store does not answer: the operator gets the error.
    });
    this.counts.moves++;
  }

  #startNemesis(): void {
    const random = this.random.fork('nemesis');
    const operator = new VirtualProcess(this.scheduler, 'operator');
    const site = () => random.pick(this.#sites);
    this.every(random.pick([3_000, 8_000]), random, 'move', () =>
      this.background(this.#moveTo(site(), operator)),
    );
    this.every(this.#faults.crashEveryMs, random, 'crash', () => this.#crash(site()));
    this.every(this.#faults.pauseEveryMs, random, 'pause', () =>
      site().process?.pause(random.float() * 10_000),
    );
    this.every(this.#faults.storeDownEveryMs, random, 'store down', () => {
      this.#bucket.faults.down = true;
      this.scheduler.after(random.float() * 10_000, 'store up', () => (this.#bucket.faults.down = false));
    });
    this.every(this.#faults.flushEveryMs, random, 'flush', () => {
      site()
        .node?.ingester.flush()
        .catch((error: unknown) => {
          if (!(error instanceof LokiError)) this.scheduler.fail(error);
        });
    });
  }

  #heal(): void {
    this.isHealed = true;
    this.#faults = noFaults;
    this.#bucket.faults = { ...noStoreFaults };
    for (const { disk } of this.#sites) disk.faults = { ...noDiskFaults };
    this.scheduler.note('healed');
  }

  // ---- the judgement

  /** Each log owns the store one more time and flushes; then the last owner is queried for everything. */
  async #judge(): Promise<void> {
    const judge = new VirtualProcess(this.scheduler, 'judge');
    const [blue, green] = this.#sites;
    for (const site of [blue, green, blue]) {
      await this.#within(judge, `${site.name} does not own the store`, async () => {
        await this.#moveTo(site, judge);
        const { node } = site;
        const others = this.#sites.filter((each) => each !== site);
        const isAlone = this.#bug === 'marksIgnored' || others.every((each) => !each.node);
        if (!isAlone || !node?.ingester.isReady()) return false;
        await calling(judge, 20_000, () => node.distributor.drain());
        await calling(judge, 20_000, () => node.ingester.flush());
        return true;
      });
      if (this.violations.length > 0) return;
    }
    for (const tenant of this.workload.tenants) {
      await this.#within(judge, `${tenant} is not answered`, async () => {
        const must = this.ledger.acked(tenant);
        const result = await calling(judge, 20_000, () =>
          blue.node!.querier.runLeaf(everythingOf(tenant, 'forward')),
        );
        if (result.kind !== 'log') throw new Error('a log leaf was answered with samples');
        this.violations.push(...this.ledger.judge(tenant, entriesOf(tenant, result), must));
        return true;
      });
    }
  }

  /** Repeats until it succeeds; a process may end meanwhile and start again. */
  async #within(judge: VirtualProcess, complaint: string, attempt: () => Promise<boolean>): Promise<void> {
    const untilMs = this.scheduler.nowMs + settleMs;
    for (;;) {
      try {
        if (await attempt()) return;
      } catch (error) {
        if (!(error instanceof LokiError || error instanceof TypeError)) throw error;
      }
      if (this.scheduler.nowMs > untilMs) {
        this.violations.push({ kind: 'stuck', text: `stuck: ${complaint} ${settleMs} ms after all faults` });
        return;
      }
      await judge.timers.sleep(1_000);
    }
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof LokiError && error.message.includes('belongs to the write log');
}

function isDiskError(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && ['EIO', 'ENOSPC', 'ENOENT'].includes(String(error.code))
  );
}
