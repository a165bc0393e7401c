/**
 * One seed of the catalog alone: writers, compactors and readers that sleep while old manifests are removed.
 */
import { Catalog, CatalogFollower } from '@loki/catalog';
import type { ObjectStore } from '@loki/ports';
import { noStoreFaults, VirtualBucket, VirtualProcess } from '@loki/virtual';
import type { Prng } from '@loki/virtual';
import {
  partPrefixes,
  storeThatForgetsParts,
  storeThatSealsLate,
  storeWithoutSeals,
} from './catalog-bugs.ts';
import type { CatalogBug } from './catalog-bugs.ts';
import { CatalogProcesses, catalogSimSizes, windowEndNs } from './catalog-processes.ts';
import type { CatalogWork } from './catalog-processes.ts';
import type { LedgerEntry } from './ledger.ts';
import { calling } from './sim-clients.ts';
import { drawProfile, Workload } from './sim-workload.ts';
import { ReadSimulation } from './simulation.ts';
import type { Direction, SimulationOptions, SimulationResult } from './simulation.ts';

type CatalogCounts = CatalogWork & Record<'queries' | 'queriesFailed' | 'crashes' | 'damaged', number>;

/** Violated promises and counts of one seed of the catalog. */
export type CatalogSimResult = SimulationResult<CatalogCounts>;

const readMs = 20_000;

type Kind = 'writer' | 'compactor' | 'remover' | 'reader';

/** A place for one process, which starts again there after a crash. */
interface Place {
  readonly kind: Kind;
  readonly name: string;
  process: VirtualProcess;
  catalog: Catalog | undefined;
  incarnation: number;
}

/**
 * One seed: each commit is an entry that must be read once, from its segment or from the one that compactors
 * put in its place. Processes stand still for longer than it takes to remove the manifests that they read
 * next, and crash between any two requests.
 */
export function simulateCatalog(options: SimulationOptions<CatalogBug>): Promise<CatalogSimResult> {
  return new CatalogSimulation(options).run();
}

class CatalogSimulation extends ReadSimulation<CatalogCounts> {
  protected readonly workload: Workload;
  protected readonly counts: CatalogCounts = {
    queries: 0,
    queriesFailed: 0,
    commits: 0,
    compactions: 0,
    drops: 0,
    crashes: 0,
    sealed: 0,
    removed: 0,
    damaged: 0,
  };
  readonly #bug: CatalogBug | undefined;
  readonly #bucket: VirtualBucket;
  readonly #places: Place[] = [];
  readonly #commitsMax: number;
  /** Entries by the key of the segment that holds them. */
  readonly #contents = new Map<string, readonly LedgerEntry[]>();
  /** Parts of checkpoints that the planted mistake keeps from the store. */
  readonly #parts = new Map<string, Uint8Array>();
  readonly #processes: CatalogProcesses;

  constructor(options: SimulationOptions<CatalogBug>) {
    super(options, options.seed, 'catalog');
    this.#bug = options.bug;
    const { random } = this;
    this.workload = new Workload(random.fork('workload'), drawProfile(random.fork('profile')));
    this.#bucket = new VirtualBucket(random.fork('bucket'));
    this.#bucket.faults = {
      ...noStoreFaults,
      errorBefore: random.pick([0, 0.02, 0.1]),
      answerLost: random.pick([0, 0.02, 0.1]),
      delayMaxMs: random.pick([5, 50, 500]),
    };
    this.#commitsMax = random.int(40, 120);
    this.#processes = new CatalogProcesses({
      tenants: this.workload.tenants,
      ledger: this.ledger,
      counts: this.counts,
      bucket: this.#bucket,
      contents: this.#contents,
    });
  }

  protected async play(): Promise<void> {
    const { random } = this;
    const kinds: Kind[] = [
      ...Array.from({ length: random.int(1, 3) }, (): Kind => 'writer'),
      ...Array.from({ length: random.int(1, 2) }, (): Kind => 'compactor'),
      ...Array.from({ length: random.int(1, 2) }, (): Kind => 'remover'),
      ...Array.from({ length: random.int(1, 2) }, (): Kind => 'reader'),
    ];
    for (const [i, kind] of kinds.entries()) {
      const name = `${kind}-${i}`;
      const place: Place = {
        kind,
        name,
        process: new VirtualProcess(this.scheduler, `${name}#0`),
        catalog: undefined,
        incarnation: 0,
      };
      this.#places.push(place);
      this.#boot(place);
    }
    this.background(this.query());
    this.#startNemesis();
    const isOver = () => this.counts.commits >= this.#commitsMax || this.violations.length > 0;
    await this.scheduler.run({ until: isOver });
    this.isHealed = true;
    this.#bucket.faults = { ...noStoreFaults };
    for (const { process } of this.#places) process.resume();
    if (this.violations.length === 0) await this.scheduler.settle(this.#judge());
  }

  protected send(): Promise<undefined> {
    return Promise.resolve(undefined); // writers commit by themselves
  }

  protected override canRead(): boolean {
    return this.#places.some(({ kind, catalog }) => kind === 'reader' && catalog);
  }

  protected async read(client: VirtualProcess, tenant: string, direction: Direction): Promise<LedgerEntry[]> {
    const readers = this.#places.flatMap(({ kind, catalog }) =>
      kind === 'reader' && catalog ? [catalog] : [],
    );
    return this.#readFrom(client, client.random.pick(readers), tenant, direction);
  }

  #readFrom(
    client: VirtualProcess,
    catalog: Catalog,
    tenant: string,
    direction: Direction,
  ): Promise<LedgerEntry[]> {
    return calling(client, readMs, async () => {
      // The refresh under way may have begun before the question: then one more.
      await catalog.refresh();
      await catalog.refresh();
      const entries = catalog
        .segmentsFor(tenant, 0n, windowEndNs)
        .flatMap(({ key }) => (this.#contents.get(key) ?? []).filter((entry) => entry.tenant === tenant));
      const sign = direction === 'forward' ? 1 : -1;
      return entries.sort((a, b) => sign * Number(a.timestampNs - b.timestampNs));
    });
  }

  // ---- processes

  #boot(place: Place): void {
    const { kind, process } = place;
    const store = this.#storeOf(place);
    const { timers } = process;
    const catalog = new Catalog({
      objectStore: store,
      timers,
      partitionCount: 1,
      ...catalogSimSizes,
    });
    switch (kind) {
      case 'writer':
        return this.background(this.#processes.write(process, store));
      case 'compactor':
        return this.background(this.#processes.compact(process, store, catalog));
      case 'remover':
        return this.background(this.#processes.remove(process, store, catalog));
      case 'reader':
        place.catalog = catalog;
        new CatalogFollower({
          catalog,
          timers,
          random: process.random.fork('follower'),
          pollMs: 1_000,
        }).start();
        return;
    }
  }

  #storeOf({ kind, process }: Place): ObjectStore {
    const store = this.#bucket.client(process);
    if (kind === 'reader' && this.#bug === 'readersIgnoreSeals') return storeWithoutSeals(store);
    if (kind === 'writer' && this.#bug === 'writersIgnoreSeals') return storeWithoutSeals(store);
    if (kind === 'remover' && this.#bug === 'sealedLate') return storeThatSealsLate(store, process);
    if (kind !== 'reader' && this.#bug === 'partsForgotten') return storeThatForgetsParts(store, this.#parts);
    return store;
  }

  // ---- faults

  #startNemesis(): void {
    const random = this.random.fork('nemesis');
    const anyPlace = () => random.pick(this.#places);
    this.every(random.pick([4_000, 10_000]), random, 'pause', () =>
      anyPlace().process.pause(random.float() * random.pick([5_000, 60_000])),
    );
    this.every(random.pick([5_000, 20_000]), random, 'crash', () => this.#crash(anyPlace()));
    this.every(random.pick([10_000, 1e9]), random, 'clock', () => {
      anyPlace().process.clock.offsetMs = (random.float() - 0.5) * 2 * 86_400_000;
    });
    // Once: two damaged parts may be those of the last two checkpoints.
    if (!random.chance(0.4)) return;
    this.scheduler.after(random.float() * 60_000, 'damage', () => this.#damagePart(random));
  }

  #damagePart(random: Prng): void {
    const keys = [...this.#bucket.objects.keys()].filter((key) =>
      partPrefixes.some((prefix) => key.startsWith(prefix)),
    );
    if (keys.length === 0) return;
    const key = random.pick(keys);
    const bytes = Buffer.from(this.#bucket.objects.get(key)!);
    bytes[random.int(0, bytes.length - 1)] ^= 1;
    this.#bucket.objects.set(key, bytes);
    this.counts.damaged++;
  }

  #crash(place: Place): void {
    this.counts.crashes++;
    place.process.kill();
    place.catalog = undefined;
    this.scheduler.after(this.random.float() * 2_000, `boot ${place.name}`, () => {
      place.process = new VirtualProcess(this.scheduler, `${place.name}#${++place.incarnation}`);
      this.#boot(place);
    });
  }

  // ---- the judgement

  /** All is well: who was there all the time, and who starts now, reads the same. */
  async #judge(): Promise<void> {
    const judge = new VirtualProcess(this.scheduler, 'judge');
    await judge.timers.sleep(5_000);
    const fresh = new Catalog({
      objectStore: this.#bucket.client(judge),
      timers: judge.timers,
      partitionCount: 1,
      ...catalogSimSizes,
    });
    const readers = this.#places.flatMap(({ kind, catalog }) =>
      kind === 'reader' && catalog ? [catalog] : [],
    );
    for (const catalog of [...readers, fresh]) {
      for (const tenant of this.workload.tenants) {
        const must = this.ledger.acked(tenant);
        const entries = await this.#readFrom(judge, catalog, tenant, 'forward');
        this.add(this.ledger.judge(tenant, entries, must));
      }
    }
  }
}
