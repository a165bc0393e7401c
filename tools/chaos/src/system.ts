/** Services and processes of one run of the chaos test. */
import fs from 'node:fs';
import path from 'node:path';
import { Cluster, membersOf } from '@loki/dev-cluster';
import type { AppName, AppProcess, Member } from '@loki/dev-cluster';
import { Link, PushAnswers } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import { memberConfig } from './member-config.ts';
import type { Place } from './member-config.ts';
import { plantedMain } from './planted.ts';
import type { Plant } from './planted.ts';
import { startBreakableServices } from './services.ts';
import type { BreakableServices } from './services.ts';

const counts = { ingester: 3, distributor: 2, compactor: 1, querier: 2, gateway: 2 } as const;
const zones = ['zone-a', 'zone-b', 'zone-c'];
const partitionsAtFirst = 6;
const askTimeoutMs = 2_000;
/** A process that ended by itself starts again after this, as under any supervisor. */
const relaunchMs = 1_000;

interface SystemOptions {
  readonly directory: string;
  readonly plant: Plant | undefined;
  /** The tree of version N-1, with which all processes start; undefined: they have this version. */
  readonly previous: string | undefined;
  /** A process ended without a fault. */
  readonly onEnded: (name: string, reason: string) => void;
}

/** Services and processes of one run. */
export class System {
  readonly services: BreakableServices;
  readonly #cluster: Cluster;
  readonly #options: SystemOptions;
  /** Ingesters that joined later. */
  readonly #added: Cluster[] = [];
  #addedCount = 0;
  /** The write log's number of partitions in the configuration of the next start. */
  #partitions = partitionsAtFirst;
  /** Apps that are of this version already. */
  readonly #upgraded = new Set<AppName>();
  /** Hours by which the clock of a process is wrong. */
  readonly #skewed = new Map<string, number>();
  /** Ways to the gateways that can be cut, in their order. */
  readonly gatewayLinks: readonly Link[];
  readonly gatewayUrls: readonly string[];
  /** Processes that a fault has stopped. */
  readonly #down = new Set<AppProcess>();
  #isStopping = false;

  private constructor(
    services: BreakableServices,
    cluster: Cluster,
    options: SystemOptions,
    linkPorts: readonly number[],
  ) {
    this.services = services;
    this.#cluster = cluster;
    this.#options = options;
    this.gatewayLinks = this.of('gateway').map(
      ({ member }) => new Link(member.httpPort, () => new PushAnswers()),
    );
    this.gatewayUrls = linkPorts.map((port) => `http://127.0.0.1:${port}`);
  }

  /** Starts all processes; ends those that have started when one fails, or when `stopping` resolves first. */
  static async start(options: SystemOptions, stopping: Promise<void>): Promise<System> {
    const services = await startBreakableServices(path.join(options.directory, 'services'));
    let system: System | undefined;
    try {
      const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
      const ports = await freePorts(2 * total);
      const members = membersOf(counts, (app, number) => memberAt(app, number, ports.splice(0, 2)));
      const started: { system?: System } = {};
      const cluster = new Cluster(
        members,
        clusterOptions(options, { ...options, services, partitions: partitionsAtFirst }, started),
      );
      const linkPorts = await freePorts(counts.gateway);
      system = started.system = new System(services, cluster, options, linkPorts);
      await Promise.all(system.gatewayLinks.map((link, i) => link.listen(linkPorts[i])));
      await cluster.start(stopping);
      return system;
    } catch (error) {
      await system?.stop();
      await services.stop();
      throw error;
    }
  }

  of(app: AppName): AppProcess[] {
    return this.#all().filter(({ member }) => member.app === app);
  }

  /** SIGKILL; it stays down until `launch`. */
  async kill(each: AppProcess): Promise<void> {
    this.#down.add(each);
    await each.daemon.stop('SIGKILL');
  }

  /** SIGTERM, and gone. */
  async terminate(each: AppProcess): Promise<void> {
    this.#down.add(each);
    await each.daemon.stop();
  }

  launch(each: AppProcess): void {
    this.#checkGoesOn();
    this.#down.delete(each);
    each.daemon.launch();
  }

  /** From its next start on, an app is of this version. */
  upgrade(app: AppName): void {
    if (this.#options.previous === undefined) throw new Error('all are of this version: see --previous');
    this.#upgraded.add(app);
  }

  /** Adds partitions to the configuration of each process's next start. @returns the new number */
  addPartitions(count: number): number {
    return (this.#partitions += count);
  }

  get partitions(): number {
    return this.#partitions;
  }

  /** Number of partitions from `first` on of which an ingester has read a record. */
  async writtenPartitions(first: number): Promise<number> {
    const [{ url }] = this.of('gateway');
    const response = await fetch(`${url}/partitions`, { signal: AbortSignal.timeout(10_000) });
    if (response.status !== 200) return 0;
    const { partitions } = (await response.json()) as {
      partitions: { instances: { consumedOffset: number }[] }[];
    };
    const isWritten = ({ instances }: (typeof partitions)[0]) =>
      instances.some(({ consumedOffset }) => consumedOffset > 0);
    return partitions.slice(first).filter(isWritten).length;
  }

  /** Where an app starts from, unless it is of this version. */
  previousOf(app: AppName): string | undefined {
    return this.#upgraded.has(app) ? undefined : this.#options.previous;
  }

  /** From its next start on, the clock of a process is `hours` ahead. */
  skew({ name }: AppProcess, hours: number): void {
    if (hours === 0) this.#skewed.delete(name);
    else this.#skewed.set(name, hours);
  }

  /** The command line of a process whose clock is wrong; undefined: its clock is right. */
  skewedMainOf({ name, app }: Member): string[] | undefined {
    const hours = this.#skewed.get(name);
    return hours === undefined ? undefined : ['tools/chaos/src/skewed-main.ts', String(hours), app];
  }

  pause(each: AppProcess): void {
    each.daemon.signal('SIGSTOP');
  }

  resume(each: AppProcess): void {
    each.daemon.signal('SIGCONT');
  }

  /** One more ingester, started and not yet ready. */
  async addIngester(): Promise<AppProcess> {
    this.#checkGoesOn();
    const number = counts.ingester + ++this.#addedCount;
    const member = memberAt('ingester', number, await freePorts(2));
    const place = { ...this.#options, services: this.services, partitions: this.#partitions };
    const cluster = new Cluster([member], clusterOptions(this.#options, place, { system: this }));
    this.#added.push(cluster);
    const [added] = cluster.processes;
    added.daemon.launch();
    return added;
  }

  /** Leaves its ring, and is no part of the system any more. */
  async removeIngester(each: AppProcess): Promise<void> {
    await this.terminate(each);
    const at = this.#added.findIndex((cluster) => cluster.processes.includes(each));
    if (at >= 0) this.#added.splice(at, 1);
  }

  /** The first process that is not ready, and the reason; undefined: all are ready. */
  async notReady(): Promise<string | undefined> {
    const answers = await Promise.all(this.#all().map((each) => this.whyNotReady(each)));
    return answers.find((answer) => answer !== undefined);
  }

  async whyNotReady({ name, url, daemon }: AppProcess): Promise<string | undefined> {
    if (!daemon.isRunning) return `${name} does not run`;
    try {
      const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(askTimeoutMs) });
      const text = (await response.text()).trim();
      return response.status === 200 ? undefined : `${name}: ${text.slice(0, 200)}`;
    } catch {
      return `${name} does not answer`;
    }
  }

  /** Resolves when this process is ready. */
  async untilReady(each: AppProcess, withinMs: number): Promise<void> {
    const endMs = Date.now() + withinMs;
    for (;;) {
      const reason = await this.whyNotReady(each);
      if (reason === undefined) return;
      this.#checkGoesOn();
      if (Date.now() > endMs) throw new Error(reason);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async flushAll(): Promise<void> {
    for (const { url, name } of this.of('ingester')) {
      const { status } = await fetch(`${url}/flush`, { method: 'POST', signal: AbortSignal.timeout(60_000) });
      if (status !== 204) throw new Error(`flush of ${name}: ${status}`);
    }
  }

  /** Ends all processes, in any state. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const each of this.#all()) this.resume(each);
    // No judgement follows: processes are killed.
    await Promise.all(this.#all().map(({ daemon }) => daemon.stop('SIGKILL')));
    await Promise.all(this.gatewayLinks.map((link) => link.close()));
    await this.services.stop();
  }

  /** A process ended without a fault. */
  ended(name: string, reason: string): void {
    const each = this.#all().find((process) => process.name === name);
    if (this.#isStopping || !each || this.#down.has(each)) return;
    this.#options.onEnded(name, reason);
    setTimeout(() => {
      if (!this.#isStopping && !this.#down.has(each) && !each.daemon.isRunning) each.daemon.launch();
    }, relaunchMs);
  }

  /** No process may start once the system ends. */
  #checkGoesOn(): void {
    if (this.#isStopping) throw new Error('the run ends');
  }

  #all(): AppProcess[] {
    return [this.#cluster, ...this.#added].flatMap(({ processes }) => processes);
  }
}

function clusterOptions({ directory, plant }: SystemOptions, place: Place, holder: { system?: System }) {
  return {
    logDirectory: path.join(directory, 'logs'),
    restarts: false,
    onEnd: (name: string, reason: string) => holder.system?.ended(name, reason),
    command: (member: Member) => {
      const file = path.join(directory, `${member.name}.yaml`);
      fs.mkdirSync(path.join(directory, 'logs'), { recursive: true });
      const partitions = holder.system?.partitions ?? place.partitions;
      fs.writeFileSync(file, memberConfig(member, { ...place, partitions }));
      const previous = holder.system?.previousOf(member.app);
      const main = previous
        ? mainIn(previous, member.app)
        : (holder.system?.skewedMainOf(member) ?? (plant && plantedMain(plant, member.app)));
      return { args: [`-config.file=${file}`], ...(main ? { main } : {}) };
    },
  };
}

/** An app's main of another tree. */
function mainIn(tree: string, app: AppName): string[] {
  return [path.join(tree, `apps/${app}/src/main.ts`)];
}

function memberAt(app: AppName, number: number, [httpPort, grpcPort]: readonly number[]): Member {
  return { app, name: `${app}-${number}`, zone: zones[(number - 1) % zones.length], httpPort, grpcPort };
}
