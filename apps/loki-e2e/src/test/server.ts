/** The product as a real process, for end-to-end tests. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { eventually, freePort } from '@loki/test-tools';

const root = path.resolve(import.meta.dirname, '../../../..');

interface TestServerOptions {
  /** The app whose main is run. */
  readonly app?: string;
  /** Of all paths, as the flags have it. */
  readonly prefix?: string;
  /** Beside the environment of the test. */
  readonly env?: Readonly<Record<string, string>>;
  /** Rejects while nothing listens. Default: `/ready` says so. */
  readonly isReady?: (url: string) => Promise<boolean>;
}

async function isReadyByHttp(url: string): Promise<boolean> {
  return (await fetch(`${url}/ready`)).status === 200;
}

/** The product as a real process on a free port and a directory of its own, for tests. */
export class TestServer {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  readonly #flags: readonly string[];
  readonly #options: Required<TestServerOptions>;
  #process: ChildProcess | undefined;

  private constructor(port: number, flags: readonly string[], options: Required<TestServerOptions>) {
    this.port = port;
    this.#flags = flags;
    this.#options = options;
    this.url = `http://127.0.0.1:${port}`;
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-test-'));
  }

  static async start(
    flags: readonly string[] = [],
    { app = 'loki', prefix = '', env = {}, isReady = isReadyByHttp }: TestServerOptions = {},
  ): Promise<TestServer> {
    const server = new TestServer(await freePort(), flags, { app, prefix, env, isReady });
    await server.start();
    return server;
  }

  /** Milliseconds from the start of the process to its being ready. */
  async start(): Promise<number> {
    const startedMs = Date.now();
    const log = fs.openSync(path.join(this.directory, 'server.log'), 'a');
    this.#process = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        `apps/${this.#options.app}/src/main.ts`,
        `-server.http-listen-port=${this.port}`,
        '-server.grpc-listen-port=0',
        `-common.path-prefix=${path.join(this.directory, 'data')}`,
        ...this.#flags,
      ],
      {
        cwd: root,
        stdio: ['ignore', log, log],
        env: { ...process.env, NODE_OPTIONS: '', ...this.#options.env },
      },
    );
    fs.closeSync(log);
    for (;;) {
      if (this.#process.exitCode !== null) throw new Error(`the server ended:\n${this.log()}`);
      try {
        if (await this.#options.isReady(this.url + this.#options.prefix)) return Date.now() - startedMs;
      } catch {
        // Not listening yet.
      }
      if (Date.now() - startedMs > 180_000) throw new Error(`the server is not ready:\n${this.log()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** @returns the exit code, or the signal's name */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    const child = this.#process!;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await new Promise((resolve) => child.once('exit', resolve));
    }
    return child.exitCode ?? child.signalCode!;
  }

  async dispose(): Promise<void> {
    await this.stop();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  log(): string {
    return fs.readFileSync(path.join(this.directory, 'server.log'), 'utf8');
  }

  async get(
    pathAndQuery: string,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; text: string }> {
    const response = await fetch(this.url + pathAndQuery, { headers });
    return { status: response.status, text: await response.text() };
  }

  async push(body: unknown, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
    const response = await fetch(`${this.url}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  }

  /** As `eventually`, with the server's log in the failure. */
  eventually<T>(look: () => T | Promise<T>): Promise<Exclude<T, undefined | false>> {
    return eventually(look, { details: () => this.log() });
  }

  /** Entries of a log query over the last hour, oldest first, each with its stream's labels. */
  async lines(query: string, params: Record<string, string> = {}): Promise<FoundLine[]> {
    const search = new URLSearchParams({ query, limit: '5000', direction: 'forward', ...params });
    const { status, text } = await this.get(`/loki/api/v1/query_range?${search.toString()}`);
    if (status !== 200) throw new Error(`${status} ${text}`);
    const answer = JSON.parse(text) as {
      data: { result: { stream: Record<string, string>; values: [string, string][] }[] };
    };
    const found = answer.data.result.flatMap(({ stream, values }) =>
      values.map(([ns, line]) => ({ ns: BigInt(ns), line, labels: stream })),
    );
    return found.sort((a, b) => (a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0));
  }
}

export interface FoundLine {
  readonly ns: bigint;
  readonly line: string;
  readonly labels: Record<string, string>;
}
