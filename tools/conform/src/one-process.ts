/** The product as one process, for the recorded cases. */
import fs from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { Daemon } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import type { Corpus } from './corpus.ts';
import { tomorrowCommand } from './system.ts';
import type { System } from './system.ts';
import { merge, waySettings } from './ways.ts';
import type { Tree, Way } from './ways.ts';

const root = path.resolve(import.meta.dirname, '../../..');
/** Several flushes, so that there is something to merge. */
const partitionCount = 4;

/** The recorded configuration in one process with all components. */
export class OneProcess implements System {
  readonly url: string;
  readonly configText: string;
  readonly expectedFailures: ReadonlyMap<string, string> = new Map();
  readonly logs: ReadonlyMap<string, string>;
  readonly #directory: string;
  readonly #server: Daemon;
  readonly #compactor: Daemon;
  readonly #compactorPort: number;

  static async make(corpus: Corpus, directory: string, way: Way): Promise<OneProcess> {
    return new OneProcess(corpus, directory, way, await freePorts(5));
  }

  private constructor(corpus: Corpus, directory: string, way: Way, ports: readonly number[]) {
    const [httpPort, grpcPort, alertmanagerPort, compactorPort, compactorGrpcPort] = ports;
    const settings = { directory, httpPort, grpcPort, alertmanagerPort };
    this.#directory = directory;
    this.#compactorPort = compactorPort;
    this.url = `http://127.0.0.1:${httpPort}`;
    fs.writeFileSync(path.join(directory, 'overrides.yaml'), corpus.config('overrides.yaml', settings));
    const recorded = parse(corpus.config('loki.yaml', settings)) as Tree;
    const own = merge(merge(recorded, { write_log: { partitions: partitionCount } }), waySettings(way));
    // JSON is YAML.
    this.configText = JSON.stringify(own, undefined, 2);
    this.#server = this.#daemon('server', own, (args) => [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      'apps/loki/src/main.ts',
      ...args,
    ]);
    // A process beside the server, over the same store. It has a directory of its own, because a directory
    // belongs to one process.
    const beside = {
      server: { http_listen_port: compactorPort, grpc_listen_port: compactorGrpcPort },
      common: { path_prefix: path.join(directory, 'compactor') },
    };
    this.#compactor = this.#daemon('compactor', merge(own, beside), (args) =>
      tomorrowCommand('compactor', [...args, '-compactor.compaction-interval=1s']),
    );
    this.logs = new Map([this.#server, this.#compactor].map((each) => [each.name, each.logPath]));
  }

  get urls(): readonly string[] {
    return [this.url];
  }

  async start(): Promise<void> {
    await this.#server.startUntil(() => isReady(this.url));
  }

  async check(): Promise<void> {
    if (!this.#server.isRunning) throw new Error('the server has ended');
    return Promise.resolve();
  }

  async compactUntil(isDone: () => Promise<boolean>): Promise<void> {
    await this.#compactor.startUntil(() => isReady(`http://127.0.0.1:${this.#compactorPort}`));
    try {
      await this.#compactor.waitUntil(isDone);
    } finally {
      await this.#compactor.stop();
    }
  }

  async stop(): Promise<void> {
    await this.#compactor.stop();
    await this.#server.stop();
  }

  #daemon(name: string, config: Tree, command: (args: readonly string[]) => readonly string[]): Daemon {
    const file = path.join(this.#directory, `${name}.yaml`);
    fs.writeFileSync(file, JSON.stringify(config, undefined, 2));
    const logPath = path.join(this.#directory, `${name}.log`);
    return new Daemon(name, logPath, command([`-config.file=${file}`]), { directory: root });
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/ready`, { signal: AbortSignal.timeout(5_000) })).status === 200;
  } catch {
    return false; // not listening yet
  }
}
