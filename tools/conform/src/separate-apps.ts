/** The product as separate processes, for the recorded cases. */
import fs from 'node:fs';
import path from 'node:path';
import { Cluster, membersOf, wholeSystem } from '@loki/dev-cluster';
import type { AppName, Member } from '@loki/dev-cluster';
import { Daemon, serviceNames, startServices } from '@loki/services';
import type { Services } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import { memberConfig } from './cluster-config.ts';
import type { Corpus } from './corpus.ts';
import { Counts } from './counts.ts';
import { tomorrowCommand } from './system.ts';
import type { System } from './system.ts';
import type { Way } from './ways.ts';

const root = path.resolve(import.meta.dirname, '../../..');

/** Cases about a process with all components; a gateway reports only itself. `check` covers the others. */
const casesOfOneProcess: ReadonlyMap<string, string> = new Map([
  ['status-823490cd14', '/services of a gateway has no distributor, ingester and querier'],
  ['status-50d2fb6799', '/metrics of a gateway has no metrics of distributors'],
]);

/** The recorded configuration in separate processes that share services. */
export class SeparateApps implements System {
  readonly configText: string;
  readonly expectedFailures = casesOfOneProcess;
  readonly #directory: string;
  readonly #services: Services;
  readonly #cluster: Cluster;
  #compactor: Daemon | undefined;

  /** Undefined, after printing the reason: services are missing. */
  static async make(corpus: Corpus, directory: string, way: Way): Promise<SeparateApps | undefined> {
    const services = await findServices(path.join(directory, 'services'));
    if (!services.kafka || !services.redis) {
      console.log('skipped: the separate apps, which need Kafka and Redis');
      await services.stop();
      return undefined;
    }
    console.log(`objects are kept in ${services.s3 ? 'MinIO' : 'a directory that all processes share'}`);
    try {
      const total = Object.values(wholeSystem).reduce((sum, count) => sum + count, 0);
      return new SeparateApps(corpus, directory, { services, way, ports: await freePorts(2 * total + 1) });
    } catch (error) {
      await services.stop();
      throw error;
    }
  }

  private constructor(
    corpus: Corpus,
    directory: string,
    { services, way, ports }: { readonly services: Services; readonly way: Way; readonly ports: number[] },
  ) {
    this.#directory = directory;
    this.#services = services;
    const settings = { directory, httpPort: 0, grpcPort: 0, alertmanagerPort: ports.pop()! };
    fs.writeFileSync(path.join(directory, 'overrides.yaml'), corpus.config('overrides.yaml', settings));
    const recorded = corpus.config('loki.yaml', settings);
    const place = { directory, services, runName: path.basename(directory).toLowerCase(), way };
    const zones = ['zone-a', 'zone-b', 'zone-c'];
    const members = membersOf(wholeSystem, (app: AppName, number: number): Member => {
      const [httpPort, grpcPort] = ports.splice(0, 2);
      return { app, name: `${app}-${number}`, zone: zones[(number - 1) % 3], httpPort, grpcPort };
    });
    this.#cluster = new Cluster(members, {
      logDirectory: path.join(directory, 'logs'),
      restarts: false,
      onEnd: (name, reason) => console.log(`${name} ended: ${reason}`),
      command: (member) => {
        fs.writeFileSync(this.#configFile(member.name), memberConfig(recorded, member, place));
        return { args: [`-config.file=${this.#configFile(member.name)}`] };
      },
    });
    this.configText = fs.readFileSync(this.#configFile(this.#cluster.first('querier').name), 'utf8');
  }

  get url(): string {
    return this.#cluster.first('gateway').url;
  }

  get urls(): readonly string[] {
    return this.#cluster.processes.filter(({ daemon }) => daemon.isRunning).map(({ url }) => url);
  }

  get logs(): ReadonlyMap<string, string> {
    const daemons = [...this.#cluster.processes.map(({ daemon }) => daemon), this.#compactor];
    return new Map(daemons.flatMap((each) => (each ? [[each.name, each.logPath]] : [])));
  }

  start(): Promise<void> {
    return this.#cluster.start();
  }

  /** Each process reports its components, and distributors count the pushes. */
  async check(): Promise<void> {
    const { processes } = this.#cluster;
    for (const { name, url, member } of processes) {
      const text = await (await fetch(`${url}/services`)).text();
      if (!text.includes(`${member.app} => Running`)) throw new Error(`${name} does not run: ${text}`);
    }
    const counts = await Counts.of(this.#cluster.of('distributor').map(({ url }) => url));
    const lines = counts.sum('loki_distributor_lines_received_total');
    if (lines === 0) throw new Error('no distributor has counted a line');
    console.log(`${processes.length} processes, ${lines} lines received`);
  }

  /**
   * Replaces the compactor for a while, with its name, its ports and its settings. The first one then tells
   * queriers what there is: to the clock of tomorrow all ingesters are dead.
   */
  async compactUntil(isDone: () => Promise<boolean>): Promise<void> {
    const { name, daemon } = this.#cluster.first('compactor');
    await daemon.stop();
    const flags = [`-config.file=${this.#configFile(name)}`, '-compactor.compaction-interval=1s'];
    const logPath = path.join(this.#directory, 'logs', `${name}-tomorrow.log`);
    const command = tomorrowCommand('compactor', flags);
    this.#compactor = new Daemon(`${name}-tomorrow`, logPath, command, { directory: root });
    this.#compactor.launch();
    await this.#compactor.waitUntil(isDone);
    await this.#compactor.stop();
    daemon.launch();
  }

  async stop(): Promise<void> {
    await this.#compactor?.stop();
    await this.#cluster.stop();
    await this.#services.stop();
  }

  #configFile(name: string): string {
    return path.join(this.#directory, `${name}.yaml`);
  }
}

/** The services of a running `npm run test:services`, else new ones. */
async function findServices(directory: string): Promise<Services> {
  const kafka = process.env['LOKI_TEST_KAFKA_BROKERS'];
  const redis = process.env['LOKI_TEST_REDIS_URL'];
  const endpoint = process.env['LOKI_TEST_S3_ENDPOINT'];
  if (!kafka || !redis) {
    return startServices({
      directory,
      names: new Set(serviceNames),
      brokers: 3,
      say: (text) => console.log(text),
    });
  }
  return {
    kafka,
    redis: new URL(redis).host,
    ...(endpoint
      ? {
          s3: {
            endpoint,
            bucket: 'loki',
            accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
            secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
          },
        }
      : {}),
    stop: () => Promise.resolve(),
  };
}
