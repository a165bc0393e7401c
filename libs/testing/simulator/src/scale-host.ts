/** A machine of a large simulated system: many members of the ring with one view, which lead partitions. */
import { PartitionCatalog } from '@loki/catalog';
import type { CatalogNews, CatalogNumbers, ObjectStore } from '@loki/ports';
import { RingMember, RingView } from '@loki/ring';
import { traceLogger, VirtualProcess } from '@loki/virtual';
import type { VirtualBucket, VirtualRings, VirtualScheduler } from '@loki/virtual';
import { excused } from './excused.ts';
import { scaleBugsOf } from './scale-bugs.ts';
import type { ScaleBug } from './scale-bugs.ts';

/** Zones of the members; as many owners has a partition. */
export const scaleZones = 3;
const ringKey = 'collectors/ring';
export const scaleTenant = 'tenant';
const heartbeatMs = 5_000;
const tokenCount = 32;
/** Mean pause between two commits of a machine. */
const commitPauseMs = 1_000;
/** Manifests that a machine can tell readers. */
const newestBytesMax = 64 << 10;
const attemptsMax = 3;

/** The surroundings of all machines. */
export interface ScaleWorld {
  readonly scheduler: VirtualScheduler;
  readonly bucket: VirtualBucket;
  readonly rings: VirtualRings;
  readonly partitions: number;
  readonly bug: ScaleBug | undefined;
  /** A commit was acknowledged: readers must find its segment. */
  readonly onCommit: (key: string) => void;
}

/** A member of the ring, and its place in a zone. */
export interface Place {
  readonly id: string;
  readonly zone: string;
  member: RingMember | undefined;
  hasLeft: boolean;
}

/** One machine: it crashes and pauses as a whole, and its members join and leave one by one. */
export class ScaleHost {
  readonly name: string;
  readonly places: readonly Place[];
  readonly #world: ScaleWorld;
  #process: VirtualProcess;
  #view: RingView | undefined;
  #store: ObjectStore | undefined;
  readonly #catalogs = new Map<number, PartitionCatalog>();
  #incarnation = 0;

  constructor(world: ScaleWorld, name: string, members: number) {
    this.#world = world;
    this.name = name;
    this.places = Array.from({ length: members }, (_, i) => {
      return { id: `${name}-${i}`, zone: `zone-${i % scaleZones}`, member: undefined, hasLeft: false };
    });
    this.#process = new VirtualProcess(world.scheduler, `${name}#0`);
  }

  get view(): RingView | undefined {
    return this.#view;
  }

  get process(): VirtualProcess {
    return this.#process;
  }

  /** Members that have joined, and have not left. */
  liveIds(): string[] {
    return this.places.flatMap(({ id, member, hasLeft }) => (member && !hasLeft ? [id] : []));
  }

  /** Starts the machine, or starts it again after a crash. */
  async boot(): Promise<void> {
    const { scheduler, rings, bucket, bug } = this.#world;
    const process = new VirtualProcess(scheduler, `${this.name}#${this.#incarnation++}`);
    this.#process = process;
    this.#store = scaleBugsOf(bug).store(bucket.client(process));
    const { clock, timers } = process;
    const view = new RingView({
      store: rings.client(process),
      key: ringKey,
      clock,
      timers,
      logger: traceLogger(process),
      ...scaleBugsOf(bug).view,
    });
    await view.start();
    this.#view = view;
    for (const place of this.places) {
      // A member that came back meanwhile has joined: a second one of its id would never end.
      if (!place.hasLeft && !place.member) await this.join(place);
    }
    this.#commitAll().catch((error: unknown) => scheduler.fail(error));
  }

  async join(place: Place): Promise<void> {
    const { clock, timers, random } = this.#process;
    const { rings, bug } = this.#world;
    const member = new RingMember({
      store: rings.client(this.#process),
      key: ringKey,
      clock,
      timers,
      random: random.fork(`member ${place.id}`),
      logger: traceLogger(this.#process),
      id: place.id,
      address: place.id,
      zone: scaleBugsOf(bug).hasZones ? place.zone : '',
      heartbeatMs,
      tokenCount,
    });
    place.member = member;
    place.hasLeft = false;
    await member.start();
    await member.activate();
  }

  /** An orderly end of one member. */
  async leave(place: Place): Promise<void> {
    place.hasLeft = true;
    await place.member?.leave();
    await place.member?.stop();
    place.member = undefined;
  }

  crash(): void {
    this.#process.kill();
    this.#view = undefined;
    this.#catalogs.clear();
    for (const place of this.places) place.member = undefined;
  }

  /** The partitions that members of this machine lead, by its own view. */
  #led(): number[] {
    const ids = new Set(this.liveIds());
    const { owners } = scaleBugsOf(this.#world.bug);
    const { ring } = this.#view!;
    return Array.from({ length: this.#world.partitions }, (_, partition) => partition).filter((partition) =>
      ids.has(owners(ring, partition, 1)[0]),
    );
  }

  /** Commits to the partitions that it leads, one after another, until the machine crashes. */
  async #commitAll(): Promise<void> {
    const { timers, random } = this.#process;
    for (;;) {
      await timers.sleep(random.float() * 2 * commitPauseMs);
      await this.#loadLed();
      const led = this.#led();
      if (led.length > 0) await this.#commit(random.pick(led));
    }
  }

  /** Commits once to each partition that it leads. */
  async flush(): Promise<void> {
    await this.#loadLed();
    for (const partition of this.#led()) await this.#commit(partition);
  }

  async #commit(partition: number): Promise<void> {
    const { clock, random } = this.#process;
    const catalog = this.#catalogs.get(partition);
    if (!catalog || !(await excused(() => catalog.load()))) return;
    const startOffset = catalog.state.endOffset;
    const endOffset = startOffset + 1;
    const suffix = Buffer.from(random.bytes(8)).toString('hex');
    const key = `segments/${partition}/${startOffset}-${endOffset}-${suffix}`;
    const section = { tenant: scaleTenant, minNs: 1n, maxNs: 1n, rowCount: 1, lineBytes: 1 };
    const segment = { key, sizeBytes: 1, level: 0, sections: [section] };
    const content = { startOffset, endOffset, segment, writers: [], drops: [], erased: [] };
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const isAnswered = await excused(async () => {
        const { outcome } = await catalog.commit({ ...content, createdMs: clock.nowMs() });
        if (outcome === 'committed') this.#world.onCommit(key);
      });
      if (isAnswered) return;
    }
  }

  /** As ingesters do, which read a partition from its last commit on. */
  async #loadLed(): Promise<void> {
    const { timers } = this.#process;
    for (const partition of this.#led()) {
      if (this.#catalogs.has(partition)) continue;
      const catalog = new PartitionCatalog({ objectStore: this.#store!, partition, timers, newestBytesMax });
      if (await excused(() => catalog.load())) this.#catalogs.set(partition, catalog);
    }
  }

  /** As an ingester tells readers of its leaders' commits. */
  news(numbers: CatalogNumbers): CatalogNews {
    const led = new Set(this.#led());
    const partitions = [...this.#catalogs].map(([partition, catalog]) => ({
      partition,
      number: catalog.state.number,
      isLeader: led.has(partition),
      manifests: catalog.manifestsAfter(numbers.partitions.get(partition) ?? Infinity),
    }));
    return { partitions, shared: numbers.shared };
  }
}
