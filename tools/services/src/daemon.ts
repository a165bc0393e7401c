/** A service as a child process with its log file. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { isListening } from '@loki/test-tools';

const startTimeoutMs = 120_000;
/** After SIGTERM; a process of ours flushes before it ends. */
const stopTimeoutMs = 90_000;

interface DaemonOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly directory?: string;
  /** Called when the process ends without a call of `stop`. */
  readonly onEnd?: (reason: string) => void;
}

/**
 * A process of a service; its output goes to a file. It is in a group of its own, so that Ctrl-C reaches the
 * caller only.
 */
export class Daemon {
  readonly name: string;
  readonly logPath: string;
  readonly #command: () => readonly string[];
  readonly #options: DaemonOptions;
  #child: ChildProcess | undefined;

  /** @param command a function is called at each start: the command may change */
  constructor(
    name: string,
    logPath: string,
    command: readonly string[] | (() => readonly string[]),
    options: DaemonOptions = {},
  ) {
    this.name = name;
    this.logPath = logPath;
    this.#command = typeof command === 'function' ? command : () => command;
    this.#options = options;
  }

  /** Resolves when its port answers. */
  start(port: number): Promise<void> {
    return this.startUntil(() => isListening(port));
  }

  /** Resolves when `isReady`, polled ten times a second. */
  async startUntil(isReady: () => Promise<boolean>): Promise<void> {
    this.launch();
    await this.waitUntil(isReady);
  }

  /** Starts it without waiting. */
  launch(): void {
    const log = fs.openSync(this.logPath, 'a');
    const [file, ...args] = this.#command();
    const child = (this.#child = spawn(file, args, {
      stdio: ['ignore', log, log],
      detached: true,
      cwd: this.#options.directory,
      env: { ...process.env, ...this.#options.env },
    }));
    fs.closeSync(log);
    child.on('error', () => undefined); // The missing process id shows it.
    child.once('exit', (code, signal) => {
      if (this.#child === child) this.#options.onEnd?.(String(code ?? signal));
    });
  }

  async waitUntil(isReady: () => Promise<boolean>): Promise<void> {
    const deadlineMs = Date.now() + startTimeoutMs;
    while (!(await isReady())) {
      if (!this.isRunning) throw new Error(`${this.name} ended:\n${this.#tail()}`);
      if (Date.now() > deadlineMs) throw new Error(`${this.name} is not ready:\n${this.#tail()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child || !this.isRunning) return;
    this.#child = undefined;
    const exit = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const kill = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await exit;
    clearTimeout(kill);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  #tail(): string {
    return fs.readFileSync(this.logPath, 'utf8').split('\n').slice(-20).join('\n');
  }
}
