import { OwnerMark } from '@loki/catalog';
import { LokiError, loadHash, parseTenantId } from '@loki/model';
import {
  guardRealWorld,
  noDiskFaults,
  noStoreFaults,
  VirtualBucket,
  VirtualDisk,
  VirtualProcess,
  VirtualScheduler,
} from '@loki/virtual';
import type { Prng } from '@loki/virtual';
import { Ledger } from './ledger.ts';
import type { Outcome, Violation } from './ledger.ts';
import { answerOf, calling, entriesOf, everythingOf, isExcused, pushRequest } from './sim-clients.ts';
import type { PushAnswer } from './sim-clients.ts';
import { drawFaults, noFaults } from './sim-faults.ts';
import type { FaultProfile } from './sim-faults.ts';
import { drawIngesterOptions } from './sim-ingester-options.ts';
import { SimNode } from './sim-node.ts';
import type { SimWorld } from './sim-node.ts';
import { drawProfile, Workload } from './sim-workload.ts';
import type { Push } from './sim-workload.ts';

/** Mistakes that the judge must find. */
export const ownerBugs = {
  marksIgnored: 'a second embedded log starts on a store that belongs to another one',
  foreignCommitsTaken: 'records at offsets that another log has committed are let go',
} as const;

export type OwnerBug = keyof typeof ownerBugs;

interface OwnersOptions {
  readonly seed: number;
  readonly bug?: OwnerBug;
  readonly onTrace?: (line: string) => void;
}

export interface OwnersSimResult {
  readonly seed: number;
  readonly traceHash: string;
  /** Empty: every promise held. */
  readonly violations: readonly Violation[];
  readonly outcomes: Record<Outcome, number>;
  readonly counts: Record<'moves' | 'refused' | 'lost' | 'crashes' | 'flushes' | 'together', number>;
  readonly eventsRun: number;
  readonly virtualMs: number;
}

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
 * One seed: two processes with embedded write logs want one object store, an operator moves the mark between
 * them while both take pushes, crash and stand still. All that either has acknowledged must be in the store
 * once each log was its owner one more time.
 */
export async function simulateOwners(options: OwnersOptions): Promise<OwnersSimResult> {
  await loadHash();
  const lift = guardRealWorld();
  try {
    return await new OwnersSimulation(options).run();
  } finally {
    lift();
  }
}

class OwnersSimulation {
  readonly #options: OwnersOptions;
  readonly #scheduler: VirtualScheduler;
  readonly #random: Prng;
  readonly #ledger = new Ledger();
  readonly #workload: Workload;
  readonly #bucket: VirtualBucket;
  readonly #sites: readonly Site[];
  readonly #violations: Violation[] = [];
  readonly #counts = { moves: 0, refused: 0, lost: 0, crashes: 0, flushes: 0, together: 0 };
  #faults: FaultProfile;
  #isHealed = false;
  #incarnation = 0;
  #clientsLeft = 0;

  constructor(options: OwnersOptions) {
    this.#options = options;
    this.#scheduler = new VirtualScheduler(options.seed);
    this.#scheduler.onTrace = options.onTrace;
    this.#random = this.#scheduler.random.fork('owners');
    // Retention of duplicates is judged elsewhere by clocks that jump; here logs change hands.
    const drawn = drawFaults(this.#random.fork('faults'));
    this.#faults = { ...drawn, clockJumpEveryMs: Number.POSITIVE_INFINITY };
    this.#workload = new Workload(this.#random.fork('workload'), drawProfile(this.#random.fork('profile')));
    this.#bucket = new VirtualBucket(this.#random.fork('bucket'));
    this.#bucket.faults = { ...drawn.store };
    const partitionCount = this.#random.int(1, 3);
    const ingesterOptions = drawIngesterOptions(this.#random.fork('options'));
    this.#sites = ['blue', 'green'].map((name) => this.#newSite(name, partitionCount, ingesterOptions));
  }

  #newSite(name: string, partitionCount: number, ingesterOptions: SimWorld['ingesterOptions']): Site {
    const disk = new VirtualDisk(this.#random.fork(`disk ${name}`));
    disk.faults = { ...this.#faults.disk };
    const { bug } = this.#options;
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
          if (count === 'flushes') this.#counts.flushes += by;
        },
        onHookCrash: (point) =>
          void this.#scheduler.after(0, `crash of ${name} at ${point}`, () => this.#crash(site)),
        owner: {
          place: name,
          ignoresMark: bug === 'marksIgnored',
          takesForeignCommits: bug !== undefined,
          onIdentity: (logId) => (site.logId = logId),
          onLost: () => {
            this.#counts.lost++;
            this.#end(site);
          },
        },
      },
    };
    return site;
  }

  async run(): Promise<OwnersSimResult> {
    try {
      await this.#play();
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#violations.push({ kind: 'threw', text: `threw: ${text}` });
    }
    return {
      seed: this.#options.seed,
      traceHash: this.#scheduler.traceHash(),
      violations: this.#violations,
      outcomes: this.#ledger.counts(),
      counts: this.#counts,
      eventsRun: this.#scheduler.eventsRun,
      virtualMs: Math.round(this.#scheduler.nowMs),
    };
  }

  async #play(): Promise<void> {
    for (const site of this.#sites) this.#boot(site);
    const clients = this.#random.int(1, 4);
    this.#clientsLeft = clients;
    for (let i = 0; i < clients; i++) {
      this.#background(this.#push(`client-${i}`, this.#random.int(10, 40)));
    }
    this.#startNemesis();
    await this.#scheduler.run({ until: () => this.#clientsLeft === 0 });
    this.#heal();
    await this.#scheduler.settle(this.#judge());
  }

  // ---- clients

  /** A client pushes to either process, as a load balancer that knows of no owner sends it. */
  async #push(name: string, pushes: number): Promise<void> {
    const client = new VirtualProcess(this.#scheduler, name);
    const { random } = client;
    for (let i = 0; i < pushes; i++) {
      await client.timers.sleep(random.float() * 800);
      const push = this.#workload.next(this.#scheduler.nowMs);
      for (let attempt = 0; attempt < 6; attempt++) {
        const answer = await this.#send(client, push);
        this.#scheduler.note(`${name} push ${i} attempt ${attempt} ${answer}`);
        if (answer !== 'unknown' || random.chance(0.2)) break;
        await client.timers.sleep(random.float() * 1_000);
      }
    }
    this.#clientsLeft--;
  }

  async #send(client: VirtualProcess, push: Push): Promise<PushAnswer> {
    this.#ledger.sent(push.entries);
    const nodes = this.#sites.flatMap(({ node }) => node ?? []);
    let answer: PushAnswer = 'unknown';
    if (nodes.length > 0) {
      const node = client.random.pick(nodes);
      const request = pushRequest(push, new AbortController().signal);
      try {
        const call = () => node.distributor.push(parseTenantId(push.tenant), request);
        answer = answerOf((await calling(client, 2_000, call)).status, push);
      } catch (error) {
        if (!isExcused(error)) throw error;
      }
    }
    this.#ledger.answered(push.entries, answer);
    return answer;
  }

  // ---- processes

  #boot(site: Site): void {
    const process = new VirtualProcess(this.#scheduler, `${site.name}-${this.#incarnation++}`);
    site.process = process;
    SimNode.boot(process, site.world).then(
      (node) => {
        site.node = node;
        if (this.#sites.every((each) => each.node)) this.#counts.together++;
      },
      (error: unknown) => {
        this.#scheduler.note(`${process.name} did not start: ${String(error)}`);
        if (isRefusal(error)) this.#counts.refused++;
        else if (!isExcused(error) && !isDiskError(error)) this.#scheduler.fail(error);
        this.#end(site);
      },
    );
  }

  /** The process is gone; its supervisor starts the next one. */
  #end(site: Site): void {
    site.node?.kill();
    site.process?.kill();
    site.node = undefined;
    site.process = undefined;
    this.#scheduler.after(500 + this.#random.float() * 2_000, `boot ${site.name}`, () => this.#boot(site));
  }

  #crash(site: Site): void {
    if (!site.process) return;
    this.#counts.crashes++;
    site.disk.crash();
    this.#end(site);
  }

  async #moveTo(site: Site, operator: VirtualProcess): Promise<void> {
    if (site.logId === undefined) return;
    const mark = new OwnerMark(this.#bucket.client(operator));
    const owner = { logId: site.logId, place: site.name, sinceMs: operator.clock.nowMs() };
    this.#scheduler.note(`mark to ${site.name}`);
    await mark.move(owner).catch((error: unknown) => {
      if (!(error instanceof LokiError)) throw error; // the store is away: the operator hears of it
    });
    this.#counts.moves++;
  }

  #startNemesis(): void {
    const random = this.#random.fork('nemesis');
    const operator = new VirtualProcess(this.#scheduler, 'operator');
    const site = () => random.pick(this.#sites);
    this.#every(random.pick([3_000, 8_000]), random, 'move', () =>
      this.#background(this.#moveTo(site(), operator)),
    );
    this.#every(this.#faults.crashEveryMs, random, 'crash', () => this.#crash(site()));
    this.#every(this.#faults.pauseEveryMs, random, 'pause', () =>
      site().process?.pause(random.float() * 10_000),
    );
    this.#every(this.#faults.storeDownEveryMs, random, 'store down', () => {
      this.#bucket.faults.down = true;
      this.#scheduler.after(random.float() * 10_000, 'store up', () => (this.#bucket.faults.down = false));
    });
    this.#every(this.#faults.flushEveryMs, random, 'flush', () => {
      site()
        .node?.ingester.flush()
        .catch((error: unknown) => {
          if (!(error instanceof LokiError)) this.#scheduler.fail(error);
        });
    });
  }

  #every(meanMs: number, random: Prng, label: string, action: () => void): void {
    if (!Number.isFinite(meanMs)) return;
    this.#scheduler.after(-Math.log(1 - random.float()) * meanMs, label, () => {
      if (this.#isHealed) return;
      action();
      this.#every(meanMs, random, label, action);
    });
  }

  #heal(): void {
    this.#isHealed = true;
    this.#faults = noFaults;
    this.#bucket.faults = { ...noStoreFaults };
    for (const { disk } of this.#sites) disk.faults = { ...noDiskFaults };
    this.#scheduler.note('healed');
  }

  // ---- the judgement

  /** Each log owns the store one more time and flushes; then the last owner is asked for everything. */
  async #judge(): Promise<void> {
    const judge = new VirtualProcess(this.#scheduler, 'judge');
    const [blue, green] = this.#sites;
    for (const site of [blue, green, blue]) {
      await this.#within(judge, `${site.name} does not own the store`, async () => {
        await this.#moveTo(site, judge);
        const { node } = site;
        const others = this.#sites.filter((each) => each !== site);
        const isAlone = this.#options.bug === 'marksIgnored' || others.every((each) => !each.node);
        if (!isAlone || !node?.ingester.isReady()) return false;
        await calling(judge, 20_000, () => node.distributor.drain());
        await calling(judge, 20_000, () => node.ingester.flush());
        return true;
      });
      if (this.#violations.length > 0) return;
    }
    for (const tenant of this.#workload.tenants) {
      await this.#within(judge, `${tenant} is not answered`, async () => {
        const must = this.#ledger.acked(tenant);
        const result = await calling(judge, 20_000, () =>
          blue.node!.querier.runLeaf(everythingOf(tenant, 'forward')),
        );
        if (result.kind !== 'log') throw new Error('a log leaf was answered with samples');
        this.#violations.push(...this.#ledger.judge(tenant, entriesOf(tenant, result), must));
        return true;
      });
    }
  }

  /** Repeats until it succeeds; a process may end in the middle of it and come back. */
  async #within(judge: VirtualProcess, complaint: string, attempt: () => Promise<boolean>): Promise<void> {
    const untilMs = this.#scheduler.nowMs + settleMs;
    for (;;) {
      try {
        if (await attempt()) return;
      } catch (error) {
        if (!(error instanceof LokiError || error instanceof TypeError)) throw error;
      }
      if (this.#scheduler.nowMs > untilMs) {
        this.#violations.push({ kind: 'stuck', text: `stuck: ${complaint} ${settleMs} ms after all faults` });
        return;
      }
      await judge.timers.sleep(1_000);
    }
  }

  #background(work: Promise<void>): void {
    work.catch((error: unknown) => this.#scheduler.fail(error));
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
