/** The product as it is started by its users, with a bound on its memory where the machine can set one. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Daemon } from '@loki/services';
import { freePorts } from '@loki/test-tools';

const root = path.resolve(import.meta.dirname, '../../..');
/** Unit of the kernel's accounting of a group's memory. */
const cpuPeriodUs = 100_000;

export class Product {
  readonly port: number;
  readonly grpcPort: number;
  readonly directory: string;
  readonly #daemon: Daemon;
  readonly #groups: readonly string[];

  private constructor(
    [port, grpcPort]: readonly number[],
    directory: string,
    daemon: Daemon,
    groups: readonly string[],
  ) {
    this.port = port;
    this.grpcPort = grpcPort;
    this.directory = directory;
    this.#daemon = daemon;
    this.#groups = groups;
  }

  /**
   * @param memoryMb of its control group, as a container would have it; 0: the machine's
   * @param cpus of its control group; 0: the machine's
   */
  static async start(memoryMb: number, flags: readonly string[], cpus = 0): Promise<Product> {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-attack-'));
    const [port, grpcPort] = await freePorts(2);
    const command = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      'apps/loki/src/main.ts',
      '-auth.enabled=true',
      `-server.http-listen-port=${port}`,
      `-server.grpc-listen-port=${grpcPort}`,
      `-common.path-prefix=${directory}/data`,
      '-distributor.ingestion-rate-limit-mb=1024',
      '-distributor.ingestion-burst-size-mb=1024',
      ...flags,
    ];
    const groups = [
      ...(memoryMb > 0 ? groupOf('memory', 'memory.limit_in_bytes', memoryMb * 2 ** 20) : []),
      ...(cpus > 0 ? groupOf('cpu', 'cpu.cfs_quota_us', cpus * cpuPeriodUs) : []),
    ];
    const joins = groups.map((group) => `echo $$ > ${group}/cgroup.procs && `).join('');
    const inGroup = joins === '' ? command : ['sh', '-c', `${joins}exec "$0" "$@"`, ...command];
    const daemon = new Daemon('loki', path.join(directory, 'server.log'), inGroup, { directory: root });
    const product = new Product([port, grpcPort], directory, daemon, groups);
    await daemon.startUntil(() => isReady(port));
    return product;
  }

  get isAlive(): boolean {
    return this.#daemon.isRunning;
  }

  /** Resident memory, in bytes; 0 when the process has ended. */
  memoryBytes(): number {
    try {
      const status = fs.readFileSync(`/proc/${this.#daemon.pid}/status`, 'utf8');
      return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  /** CPU time of all its threads that live, in seconds: finer than the clock ticks of `stat`. */
  cpuSeconds(): number {
    return this.threadSeconds()
      .values()
      .reduce((sum, seconds) => sum + seconds, 0);
  }

  /** The same by the name of threads; threads of one name are added up. */
  threadSeconds(): ReadonlyMap<string, number> {
    const tasks = `/proc/${this.#daemon.pid}/task`;
    const seconds = new Map<string, number>();
    for (const task of fs.readdirSync(tasks)) {
      const name = fs.readFileSync(`${tasks}/${task}/comm`, 'utf8').trim();
      const [ns] = fs.readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ');
      seconds.set(name, (seconds.get(name) ?? 0) + Number(ns) / 1e9);
    }
    return seconds;
  }

  /** The last lines of its log. */
  logTail(): string {
    return fs.readFileSync(this.#daemon.logPath, 'utf8').split('\n').slice(-8).join('\n');
  }

  /** Kills the process and starts it on the same data, without waiting. */
  async killAndLaunch(): Promise<void> {
    await this.#daemon.stop('SIGKILL');
    this.#daemon.launch();
  }

  async stop(): Promise<void> {
    await this.#daemon.stop('SIGKILL');
    for (const group of this.#groups) fs.rmdirSync(group);
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A control group (version 1) with this bound; none where this user may not make one. */
function groupOf(controller: string, file: string, bound: number): string[] {
  const group = `/sys/fs/cgroup/${controller}/loki-attack-${process.pid}`;
  try {
    fs.mkdirSync(group, { recursive: true });
    fs.writeFileSync(path.join(group, file), String(bound));
    return [group];
  } catch {
    console.error(`no control group can be made at ${group}: ${controller} is watched, not bounded`);
    return [];
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/ready`)).status === 200;
  } catch {
    return false; // not listening yet
  }
}
