import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';

const startTimeoutMs = 120_000;

/** A process that serves a port; its output goes to a file. */
export class Daemon {
  readonly #name: string;
  readonly #logPath: string;
  readonly #start: () => ChildProcess;
  #child: ChildProcess | undefined;

  constructor(
    name: string,
    logPath: string,
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#name = name;
    this.#logPath = logPath;
    this.#start = () => {
      const log = fs.openSync(logPath, 'a');
      const child = spawn(command[0], command.slice(1), {
        stdio: ['ignore', log, log],
        env: { ...process.env, ...env },
      });
      fs.closeSync(log);
      return child;
    };
  }

  /** Until its port answers. */
  async start(port: number): Promise<void> {
    const child = (this.#child = this.#start());
    child.on('error', () => undefined); // told by its exit code
    const deadlineMs = Date.now() + startTimeoutMs;
    while (!(await isListening(port))) {
      if (child.exitCode !== null || child.pid === undefined)
        throw new Error(`${this.#name} ended:\n${this.#tail()}`);
      if (Date.now() > deadlineMs) throw new Error(`${this.#name} does not listen:\n${this.#tail()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const kill = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(kill);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  #tail(): string {
    return fs.readFileSync(this.#logPath, 'utf8').split('\n').slice(-20).join('\n');
  }
}

export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** Ports that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<net.Server>((resolve) => {
          const server = net.createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
