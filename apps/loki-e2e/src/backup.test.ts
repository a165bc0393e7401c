/**
 * Protects the backup of a running process, as the guide describes it: the copy is made in the guide's order
 * while pushes and flushes go on, and a process that starts on it returns every line that was acknowledged
 * before the first copy, once.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hasCode } from '@loki/model';
import { lokictl } from './test/lokictl.ts';
import { TestServer } from './test/server.ts';

const backup = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-backup-'));
const servers: TestServer[] = [];
afterAll(async () => {
  await Promise.all(servers.map((server) => server.dispose()));
  fs.rmSync(backup, { recursive: true });
});

async function started(...flags: string[]): Promise<TestServer> {
  const server = await TestServer.start(flags);
  servers.push(server);
  return server;
}

/**
 * As rsync does it: the files of a directory at its listing; a file that is removed meanwhile is left out.
 */
async function copyTree(from: string, to: string, excluded: readonly string[] = []): Promise<void> {
  for (const { name, ...entry } of listing(from)) {
    const [source, target] = [path.join(from, name), path.join(to, name)];
    if (excluded.includes(source)) continue;
    if (entry.isDirectory) {
      await copyTree(source, target, excluded);
      continue;
    }
    fs.mkdirSync(to, { recursive: true });
    await fs.promises.copyFile(source, target).catch((error: unknown) => {
      if (!hasCode(error, 'ENOENT')) throw error;
    });
  }
}

function listing(directory: string): { readonly name: string; readonly isDirectory: boolean }[] {
  const entries = fs.readdirSync(directory, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
}

test('a copy of a running process has each line that was acknowledged before it, once', async () => {
  const server = await started();
  const data = path.join(server.directory, 'data');
  const pushing = new PushLoop(server);
  const flush = async () => {
    await pushing.more(20);
    expect((await fetch(`${server.url}/flush`, { method: 'POST' })).status).toBe(204);
    await pushing.more(20);
  };
  await flush();
  await flush();
  const acknowledged = pushing.acknowledged;
  await copyTree(path.join(data, 'write-log'), path.join(backup, 'write-log'));
  await flush();
  await copyTree(path.join(data, 'chunks/catalog'), path.join(backup, 'chunks/catalog'));
  await flush();
  const copied = [path.join(data, 'write-log'), path.join(data, 'chunks/catalog')];
  await copyTree(data, backup, copied);
  await pushing.stop();
  await server.stop();

  const chunks = path.join(backup, 'chunks');
  expect(await lokictl('store', 'verify', chunks)).toMatch(/: [1-9]\d* segments, [1-9]\d* rows, /);
  const restored = await started(`-common.path-prefix=${backup}`);
  const lines = (await restored.lines('{app="backup"}')).map(({ line }) => line);
  expect(new Set(lines).size).toBe(lines.length);
  const numbers = new Set(lines.map((line) => Number(line.slice('line '.length))));
  const missing = Array.from({ length: acknowledged }, (_, number) => number).filter((n) => !numbers.has(n));
  expect(missing).toEqual([]);
  expect((await restored.push(streamOf('after the restore'))).status).toBe(204);
  expect((await restored.get('/metrics')).text).not.toMatch(/wal_records_lost_total\S* [1-9]/);
});

/** Pushes numbered lines, one after the other, until it is stopped. */
class PushLoop {
  /** Lines 0 to this, without the end, are acknowledged. */
  acknowledged = 0;
  #isStopped = false;
  readonly #server: TestServer;
  readonly #done: Promise<void>;

  constructor(server: TestServer) {
    this.#server = server;
    this.#done = this.#run();
  }

  /** Resolves when `count` more lines are acknowledged. */
  async more(count: number): Promise<void> {
    const target = this.acknowledged + count;
    await this.#server.eventually(() => this.acknowledged >= target);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const { status, text } = await this.#server.push(streamOf(`line ${this.acknowledged}`));
      if (status !== 204) throw new Error(`${status} ${text}`);
      this.acknowledged++;
    }
  }
}

function streamOf(line: string): unknown {
  return { streams: [{ stream: { app: 'backup' }, values: [[`${Date.now()}000000`, line]] }] };
}
