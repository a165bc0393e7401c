/** The separate apps as processes of this machine. */
import fs from 'node:fs';
import path from 'node:path';
import { Daemon } from '@loki/services';
import { appNames } from './members.ts';
import type { AppName, Member } from './members.ts';

const root = path.resolve(import.meta.dirname, '../../..');
/** A process that ended by itself starts again after this. */
const restartMs = 1_000;
const askTimeoutMs = 5_000;

/** One process of the cluster. */
export interface AppProcess {
  readonly member: Member;
  readonly name: string;
  readonly url: string;
  readonly daemon: Daemon;
}

interface ClusterOptions {
  /** Directory of the processes' logs. */
  readonly logDirectory: string;
  /** Called for processes that end by themselves; with `restarts` they start again. */
  readonly onEnd: (name: string, reason: string) => void;
  readonly restarts: boolean;
  /**
   * Command of a member, computed at each start: its `main.ts` (default: its app's own) with its arguments,
   * and its environment.
   */
  readonly command: (member: Member) => {
    readonly main?: readonly string[];
    readonly args: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  };
}

/** The distributed system as processes of this machine. */
export class Cluster {
  readonly processes: readonly AppProcess[];
  readonly #options: ClusterOptions;
  #isStopping = false;

  constructor(members: readonly Member[], options: ClusterOptions) {
    this.#options = options;
    this.processes = members.map((member) => this.#processOf(member));
  }

  /** The first one of an app. */
  first(app: AppName): AppProcess {
    const process = this.of(app)[0];
    if (!process) throw new Error(`this cluster has no ${app}`);
    return process;
  }

  of(app: AppName): AppProcess[] {
    return this.processes.filter(({ member }) => member.app === app);
  }

  /** Resolves when all are ready; the first process starts alone, because it creates the topic. */
  async start(stopping?: Promise<unknown>): Promise<void> {
    let isGivenUp = false;
    void stopping?.then(() => (isGivenUp = true));
    fs.mkdirSync(this.#options.logDirectory, { recursive: true });
    const isReady = (url: string) => async () => isGivenUp || (await answersReady(url));
    for (const [i, { daemon, url }] of this.processes.entries()) {
      if (isGivenUp) return;
      daemon.launch();
      if (i === 0) await daemon.waitUntil(isReady(url));
    }
    for (const { daemon, url } of this.processes) await daemon.waitUntil(isReady(url));
  }

  /** Stops a process, and starts it again. */
  async restart(each: AppProcess, signal?: NodeJS.Signals): Promise<void> {
    await each.daemon.stop(signal);
    await each.daemon.startUntil(() => answersReady(each.url));
  }

  /** Stops in an order in which no process calls a stopped one: callers first. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const app of [...appNames].reverse()) {
      await Promise.all(this.of(app).map(({ daemon }) => daemon.stop()));
    }
  }

  #processOf(member: Member): AppProcess {
    const { logDirectory, onEnd, restarts } = this.#options;
    const { name } = member;
    const { env } = this.#options.command(member);
    const command = (): string[] => {
      const { main = mainOf(member.app), args } = this.#options.command(member);
      return [process.execPath, '--disable-warning=ExperimentalWarning', ...main, ...args];
    };
    const daemon = new Daemon(name, path.join(logDirectory, `${name}.log`), command, {
      directory: root,
      env,
      onEnd: (reason) => {
        if (this.#isStopping) return;
        onEnd(name, reason);
        if (restarts) setTimeout(() => this.#isStopping || daemon.launch(), restartMs);
      },
    });
    return { member, name, url: `http://127.0.0.1:${member.httpPort}`, daemon };
  }
}

/** An app's own main; an app without one is a target of the main with all components. */
export function mainOf(app: AppName): string[] {
  const own = `apps/${app}/src/main.ts`;
  return fs.existsSync(path.join(root, own)) ? [own] : ['apps/loki/src/main.ts', `-target=${app}`];
}

async function answersReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(askTimeoutMs) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false; // not listening yet
  }
}
