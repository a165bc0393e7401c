/** One seed of a large system: ring, owners of partitions, and the catalog, by hundreds of members. */
import { Catalog, CatalogFollower, SharedLogs } from '@loki/catalog';
import type { CatalogNewsSource } from '@loki/catalog';
import type { ObjectStore } from '@loki/ports';
import type { Ring } from '@loki/ring';
import { noRingFaults, noStoreFaults, VirtualBucket, VirtualProcess, VirtualRings } from '@loki/virtual';
import { scaleBugsOf } from './scale-bugs.ts';
import type { ScaleBug } from './scale-bugs.ts';
import { ScaleHost, scaleTenant } from './scale-host.ts';
import type { Place, ScaleWorld } from './scale-host.ts';
import { moveFaults, ownerFaults } from './scale-judge.ts';
import { drawProfile, Workload } from './sim-workload.ts';
import { Simulation } from './simulation.ts';
import type { SimulationOptions, SimulationResult } from './simulation.ts';

type ScaleCounts = Record<'commits' | 'crashes' | 'pauses' | 'joined' | 'left' | 'requests', number>;

/** Violated promises and counts of one seed of a large system. */
export type ScaleSimResult = SimulationResult<ScaleCounts>;

/** Numbers of a system; each machine has a tenth of the members at most, and one view for all of them. */
interface ScaleSizes {
  readonly members: number;
  readonly partitions: number;
}

interface ScaleOptions extends SimulationOptions<ScaleBug> {
  /** Default: small, some tenths of a second for a seed. */
  readonly sizes?: ScaleSizes;
}

const sizesDefault: ScaleSizes = { members: 60, partitions: 60 };
/** The size of which the issue of growth speaks. */
export const largeScale: ScaleSizes = { members: 1_000, partitions: 1_000 };

const hostsMax = 25;
const readers = 3;
const faultsMs = 180_000;
/** A member counts as dead after a minute of silence; a view of 1,000 members is read every 15 s. */
const settleMs = 120_000;
/** Rounds of a reader are 15 s apart. */
const roundsMs = 60_000;
const quietMs = 600_000;
/** Of 100 readers, with the number of partitions excluded, which they read from the same news. */
const requestsPerSecondMax = 5;
const windowEndNs = 1n << 40n;

/**
 * One seed: members of many machines join at once, crash, pause, leave and come back, while messages are lost
 * and the ring store fails. Leaders commit, and readers follow by their news. Then the faults end. All views
 * must have the same living owners in different zones; one member's change must move one place of a partition
 * at most; each reader must have each acknowledged commit once, and ask the store rarely.
 */
export function simulateScale(options: ScaleOptions): Promise<ScaleSimResult> {
  return new ScaleSimulation(options).run();
}

class ScaleSimulation extends Simulation<ScaleCounts> {
  protected readonly workload: Workload;
  protected readonly counts: ScaleCounts = {
    commits: 0,
    crashes: 0,
    pauses: 0,
    joined: 0,
    left: 0,
    requests: 0,
  };
  readonly #bug: ScaleBug | undefined;
  readonly #partitions: number;
  readonly #bucket: VirtualBucket;
  readonly #rings: VirtualRings;
  readonly #hosts: readonly ScaleHost[];
  readonly #catalogs: Catalog[] = [];
  readonly #acked = new Set<string>();

  constructor(options: ScaleOptions) {
    super(options, `scale ${options.seed}`, 'scale');
    const { random } = this;
    const { members, partitions } = options.sizes ?? sizesDefault;
    this.#bug = options.bug;
    this.#partitions = partitions;
    this.workload = new Workload(random.fork('workload'), drawProfile(random.fork('profile')));
    this.#bucket = new VirtualBucket(random.fork('bucket'));
    this.#bucket.faults = {
      ...noStoreFaults,
      errorBefore: random.pick([0, 0.02]),
      answerLost: random.pick([0, 0.02]),
    };
    this.#rings = new VirtualRings(random.fork('rings'));
    this.#rings.faults = {
      ...noRingFaults,
      error: 0.02,
      answerLost: 0.02,
      newsLost: random.pick([0.1, 0.5]),
    };
    const world: ScaleWorld = {
      scheduler: this.scheduler,
      bucket: this.#bucket,
      rings: this.#rings,
      partitions,
      bug: options.bug,
      onCommit: (key) => {
        this.#acked.add(key);
        this.counts.commits++;
      },
    };
    const hosts = Math.min(hostsMax, Math.ceil(members / 6));
    this.#hosts = Array.from(
      { length: hosts },
      (_, i) =>
        new ScaleHost(
          world,
          `host-${i}`,
          Math.floor((members * (i + 1)) / hosts) - Math.floor((members * i) / hosts),
        ),
    );
  }

  protected send(): Promise<undefined> {
    return Promise.resolve(undefined); // machines commit by themselves
  }

  protected async play(): Promise<void> {
    for (const host of this.#hosts) {
      this.scheduler.after(this.random.float() * 5_000, `boot ${host.name}`, () => this.#boot(host));
    }
    for (let i = 0; i < readers; i++) await this.scheduler.settle(this.#startReader(`reader-${i}`));
    this.#startNemesis();
    await this.scheduler.run({ untilMs: faultsMs });
    this.#heal();
    const judge = new VirtualProcess(this.scheduler, 'judge');
    await this.scheduler.settle(this.#judge(judge));
  }

  #boot(host: ScaleHost): void {
    this.background(host.boot());
  }

  /** A process that reads the catalog, and counts its requests to the store. */
  async #startReader(name: string): Promise<void> {
    const process = new VirtualProcess(this.scheduler, name);
    const { timers, random } = process;
    const bugs = scaleBugsOf(this.#bug);
    const objectStore = this.#counted(this.#bucket.client(process));
    const catalog = new Catalog({ objectStore, timers, partitionCount: this.#partitions });
    this.#catalogs.push(catalog);
    const sharedLogs = new SharedLogs();
    const news: CatalogNewsSource = async (numbers) => {
      const live = this.#hosts.filter((host) => host.view && host.process.alive);
      return Promise.all(
        live.map((host) => process.tell(random.float() * 10, 'news', () => host.news(numbers))),
      );
    };
    new CatalogFollower({
      catalog,
      timers,
      random,
      sharedLogs,
      news: bugs.news(news),
      ...(bugs.netRounds ? { netRounds: bugs.netRounds } : {}),
    }).start();
  }

  #counted(store: ObjectStore): ObjectStore {
    return new Proxy(store, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          this.counts.requests++;
          return Reflect.apply(value, target, args) as unknown;
        };
      },
    });
  }

  // ---- faults

  #startNemesis(): void {
    const random = this.random.fork('nemesis');
    const anyHost = () => random.pick(this.#hosts);
    this.every(20_000, random, 'crash', () => {
      const host = anyHost();
      // A machine that has not started yet starts once only.
      if (!host.process.alive || !host.view) return;
      this.counts.crashes++;
      host.crash();
      this.scheduler.after(random.float() * 90_000, `boot ${host.name}`, () => this.#boot(host));
    });
    this.every(20_000, random, 'pause', () => {
      this.counts.pauses++;
      anyHost().process.pause(random.float() * 80_000);
    });
    this.every(4_000, random, 'leave', () => this.#leave(anyHost(), (places) => random.pick(places)));
    this.every(6_000, random, 'join', () => this.#rejoin(anyHost()));
    this.every(60_000, random, 'rings down', () => {
      this.#rings.faults.down = true;
      this.scheduler.after(random.float() * 60_000, 'rings up', () => (this.#rings.faults.down = false));
    });
    this.every(90_000, random, 'rings emptied', () => this.#rings.wipe());
    this.every(60_000, random, 'rings set back', () => this.#rings.rewind());
  }

  #leave(host: ScaleHost, pick: (places: readonly Place[]) => Place): void {
    const places = host.places.filter(({ member, hasLeft }) => member && !hasLeft);
    if (places.length < 2) return;
    this.counts.left++;
    this.background(host.leave(pick(places)));
  }

  #rejoin(host: ScaleHost): void {
    const place = host.places.find(({ member, hasLeft }) => !member && hasLeft);
    if (!place || !host.view || !host.process.alive) return;
    this.counts.joined++;
    this.background(host.join(place));
  }

  #heal(): void {
    this.isHealed = true;
    this.#bucket.faults = { ...noStoreFaults };
    this.#rings.faults = { ...noRingFaults };
    for (const { process } of this.#hosts) process.resume();
    this.scheduler.note('healed');
  }

  // ---- the judgement

  async #judge(judge: VirtualProcess): Promise<void> {
    // A machine that has crashed comes back within a minute and a half.
    await judge.timers.sleep(90_000 + settleMs);
    const before = this.#agreedRing();
    if (!before) return;
    const owned = { owners: scaleBugsOf(this.#bug).owners, partitions: this.#partitions };
    const zones = this.#hosts.flatMap(({ places }) => places.map(({ id, zone }) => [id, zone] as const));
    this.add(ownerFaults(before, new Map(zones), owned));
    const [host] = this.#hosts;
    const place = host.places.find(({ member, hasLeft }) => member && !hasLeft)!;
    await host.leave(place);
    await judge.timers.sleep(settleMs);
    const without = this.#agreedRing();
    if (!without) return;
    this.add(moveFaults(before, without, owned));
    await host.join(place);
    await judge.timers.sleep(settleMs);
    const after = this.#agreedRing();
    if (!after) return;
    this.add(moveFaults(without, after, owned));
    await Promise.all(this.#hosts.map((each) => each.flush()));
    const acked = new Set(this.#acked);
    await judge.timers.sleep(roundsMs);
    await this.#judgeReaders(judge, acked);
  }

  /** The ring that all views share, of all living members; undefined: there is none. */
  #agreedRing(): Ring | undefined {
    const live = this.#hosts.flatMap((host) => host.liveIds()).sort();
    for (const { name, view } of this.#hosts) {
      const ids = view?.ring.eligible.map(({ id }) => id).sort();
      if (ids?.join() === live.join()) continue;
      const text = `ring: ${name} sees ${ids?.length ?? 0} members, ${live.length} are there`;
      this.add([{ kind: 'behind', text }]);
      return undefined;
    }
    return this.#hosts[0].view!.ring;
  }

  async #judgeReaders(judge: VirtualProcess, acked: ReadonlySet<string>): Promise<void> {
    const { timers } = judge;
    const objectStore = this.#bucket.client(judge);
    const fresh = new Catalog({ objectStore, timers, partitionCount: this.#partitions });
    await fresh.refresh();
    for (const catalog of [...this.#catalogs, fresh]) {
      const keys = catalog.segmentsFor(scaleTenant, 0n, windowEndNs).map(({ key }) => key);
      const once = new Set(keys);
      const missing = [...acked].filter((key) => !once.has(key));
      if (missing.length === 0 && once.size === keys.length) continue;
      const text = `commits: a reader lacks ${missing.length} of ${acked.size}, ${keys.length - once.size} double`;
      this.add([{ kind: 'behind', text }]);
    }
    const { requests } = this.counts;
    await timers.sleep(quietMs);
    const perSecond = ((this.counts.requests - requests) / (quietMs / 1_000)) * (100 / readers);
    if (perSecond > requestsPerSecondMax) {
      const text = `requests: ${perSecond.toFixed(1)} a second of 100 readers, at most ${requestsPerSecondMax}`;
      this.add([{ kind: 'requests', text }]);
    }
  }
}
