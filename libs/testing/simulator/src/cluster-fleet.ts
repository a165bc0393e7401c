/** The processes of a simulated cluster: starts, crashes, restarts, scaling. */
import { VirtualProcess } from '@loki/virtual';
import type { Prng, VirtualScheduler } from '@loki/virtual';
import { bootNode } from './cluster-nodes.ts';
import type { ClusterNode, NodeKind } from './cluster-nodes.ts';
import type { ClusterWorld, IngesterNode } from './cluster-world.ts';
import { isExcused } from './sim-clients.ts';

type NodeOf<Kind extends NodeKind> = Extract<ClusterNode, { kind: Kind }>;

/** A place for one process: a crashed process starts there again. */
interface Place {
  readonly kind: NodeKind;
  readonly name: string;
  readonly zone: string;
  process: VirtualProcess | undefined;
  node: ClusterNode | undefined;
  incarnation: number;
  /** The process was removed for good. */
  isGone: boolean;
}

const ingestersMax = 7;

/** All processes of a simulated cluster: started, crashed, started again, added and removed. */
export class Fleet {
  onCrash: () => void = () => undefined;
  readonly #scheduler: VirtualScheduler;
  readonly #world: ClusterWorld;
  readonly #random: Prng;
  readonly #places: Place[] = [];
  readonly #zones: number;
  #nextIngester = 0;

  constructor(scheduler: VirtualScheduler, world: ClusterWorld, random: Prng) {
    this.#scheduler = scheduler;
    this.#world = world;
    this.#random = random;
    this.#zones = random.int(1, 3);
  }

  start(): void {
    const random = this.#random;
    const counts = { distributor: random.int(1, 3), querier: random.int(1, 2), compactor: random.int(1, 3) };
    for (const kind of ['distributor', 'querier', 'compactor'] as const) {
      for (let i = 0; i < counts[kind]; i++) this.#boot(this.#place(kind, `${kind}-${i}`, ''));
    }
    const ingesters = random.int(this.#world.replicationFactor, 5);
    for (let i = 0; i < ingesters; i++) this.addIngester();
  }

  addIngester(): void {
    if (this.#runningPlaces('ingester').length >= ingestersMax) return;
    const i = this.#nextIngester++;
    this.#boot(this.#place('ingester', `ingester-${i}`, `zone-${i % this.#zones}`));
  }

  /** Removes an ingester as an orderly scale-down does, if enough remain. */
  removeIngester(): void {
    const running = this.#runningPlaces('ingester');
    if (running.length <= this.#world.replicationFactor) return;
    const place = this.#random.pick(running);
    const { node, process } = place;
    if (node?.kind !== 'ingester' || !process || !node.leave) return;
    place.isGone = true;
    this.#scheduler.note(`${place.name} leaves`);
    const leave = async () => {
      await node.ingester.flush().catch(() => undefined); // The log has the records that could not be flushed.
      await node.leave!();
      await process.timers.sleep(5_000);
    };
    leave().then(
      () => this.#end(place),
      (error: unknown) => (isExcused(error) ? this.#end(place) : this.#scheduler.fail(error)),
    );
  }

  /** Draws the node of a kind that answers a client now. */
  drawNode<Kind extends NodeKind>(
    kind: Kind,
    random: Prng,
  ): {
    readonly name: string;
    readonly process: VirtualProcess | undefined;
    readonly node: NodeOf<Kind> | undefined;
  } {
    const candidates = this.#runningPlaces(kind);
    const running = candidates.filter(({ node }) => node);
    // Clients mostly know the running nodes.
    const place = random.pick(running.length > 0 && random.chance(0.9) ? running : candidates);
    return {
      name: place.name,
      process: place.node && place.process,
      node: place.node as NodeOf<Kind> | undefined,
    };
  }

  ingester(name: string): IngesterNode | undefined {
    const node = this.#places.find((place) => place.name === name)?.node;
    return node?.kind === 'ingester' ? node : undefined;
  }

  ingesters(): IngesterNode['ingester'][] {
    return this.#runningPlaces('ingester').flatMap(({ node }) =>
      node?.kind === 'ingester' ? [node.ingester] : [],
    );
  }

  queriers(): Extract<ClusterNode, { kind: 'querier' }>[] {
    return this.#runningPlaces('querier').flatMap(({ node }) => (node?.kind === 'querier' ? [node] : []));
  }

  names(): string[] {
    return this.#places.filter(({ isGone }) => !isGone).map(({ name }) => name);
  }

  /** A running process of any kind. */
  anyProcess(): VirtualProcess | undefined {
    const running = this.#places.flatMap(({ process }) => (process?.alive ? [process] : []));
    return running.length === 0 ? undefined : this.#random.pick(running);
  }

  crash(process: VirtualProcess): void {
    const place = this.#places.find((each) => each.process === process);
    if (!place || !process.alive) return;
    this.onCrash();
    this.#end(place);
    if (!place.isGone) this.#bootLater(place, this.#random.float() * 3_000);
  }

  crashAll(): void {
    for (const { process } of this.#places) if (process) this.crash(process);
  }

  /** Paused nodes continue, and clocks are right again. */
  heal(): void {
    for (const { process } of this.#places) {
      if (!process) continue;
      process.clock.offsetMs = 0;
      process.resume();
    }
  }

  #runningPlaces(kind: NodeKind): Place[] {
    return this.#places.filter((place) => place.kind === kind && !place.isGone);
  }

  #place(kind: NodeKind, name: string, zone: string): Place {
    const place: Place = {
      kind,
      name,
      zone,
      process: undefined,
      node: undefined,
      incarnation: 0,
      isGone: false,
    };
    this.#places.push(place);
    return place;
  }

  #boot(place: Place): void {
    const { kind, name, zone } = place;
    const process = new VirtualProcess(this.#scheduler, `${name}#${place.incarnation++}`);
    process.clock.offsetMs = this.#world.skewOf?.(name) ?? 0;
    place.process = process;
    bootNode(kind, { name, zone, process }, this.#world).then(
      (node) => {
        if (place.process === process) place.node = node;
        this.#scheduler.note(`${process.name} is up`);
      },
      (error: unknown) => {
        this.#scheduler.note(`${process.name} did not start: ${String(error)}`);
        if (!isExcused(error)) return this.#scheduler.fail(error);
        if (place.process !== process) return;
        this.#end(place);
        if (!place.isGone) this.#bootLater(place, 500);
      },
    );
  }

  #bootLater(place: Place, delayMs: number): void {
    this.#scheduler.after(delayMs, `boot ${place.name}`, () => {
      if (!place.isGone && !place.process) this.#boot(place);
    });
  }

  #end(place: Place): void {
    place.process?.kill();
    place.process = undefined;
    place.node = undefined;
  }
}
