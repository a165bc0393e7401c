/**
 * kill -9 in a loop: real process, real disk, real HTTP. Each round pushes numbered lines from several clients,
 * kills the process at a random moment, starts it again, and sends again what got no answer. At the end every line
 * that was answered with 204 must be read back exactly once, and no other line more than once.
 *
 *     npm run crash -- --rounds 50 [--seed 1] [--keep] [--config file.yaml]
 *
 * A configuration file puts other adapters behind the process: Kafka, a bucket. Its topic and bucket must be empty.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const root = path.resolve(import.meta.dirname, '../../..');
const port = 3187;
const url = `http://127.0.0.1:${port}`;
const clients = 4;
const streamsPerClient = 5;
const linesPerPush = 50;
const readyWithinMs = 30_000;

interface Push {
  readonly body: string;
  readonly lines: readonly string[];
}

/** What the server said of each line. A line may be sent again after no answer; one 204 makes it acknowledged. */
const acked = new Set<string>();
const unknown = new Set<string>();
const unanswered: Push[] = [];

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    config: { type: 'string', default: '' },
  },
});

async function main(): Promise<number> {
  const rounds = Number(options.rounds);
  const random = mulberry32(Number(options.seed));
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-crash-'));
  const startNs = BigInt(Date.now()) * 1_000_000n;
  let sequence = 0;
  let slowestReadyMs = 0;
  let server = await start(directory);

  for (let round = 1; round <= rounds; round++) {
    const stop = new AbortController();
    const retries = unanswered.splice(0);
    const pushing = Array.from({ length: clients }, async (_, client) => {
      for (const push of retries.filter((__, i) => i % clients === client)) await send(push, stop.signal);
      while (!stop.signal.aborted)
        await send(
          nextPush(client, () => sequence++),
          stop.signal,
        );
    });
    await sleep(200 + random() * 1300);
    if (round % 7 === 0) void fetch(`${url}/flush`, { method: 'POST' }).catch(() => undefined);
    if (round % 7 === 0) await sleep(random() * 300);
    server.kill('SIGKILL');
    stop.abort();
    await Promise.all([...pushing, exited(server)]);
    const restartMs = Date.now();
    server = await start(directory);
    slowestReadyMs = Math.max(slowestReadyMs, Date.now() - restartMs);
    if (round % 10 === 0)
      console.log(`round ${round}: ${acked.size} lines acknowledged, ${unanswered.length} pushes unanswered`);
  }
  for (const push of unanswered.splice(0)) await send(push, new AbortController().signal);

  const before = judge(await readAll(startNs));
  await fetch(`${url}/flush`, { method: 'POST' });
  const after = judge(await readAll(startNs));
  server.kill('SIGTERM');
  await exited(server);
  if (!options.keep) fs.rmSync(directory, { recursive: true, force: true });
  console.log(
    JSON.stringify({
      rounds,
      acked: acked.size,
      unknown: unknown.size,
      slowestReadyMs,
      beforeFlush: before,
      afterFlush: after,
    }),
  );
  const bad = before.lost + before.doubled + before.phantom + after.lost + after.doubled + after.phantom;
  console.log(bad === 0 ? '1 passed, 0 failed' : '0 passed, 1 failed');
  return bad === 0 ? 0 : 1;
}

function nextPush(client: number, next: () => number): Push {
  const lines: string[] = [];
  const streams = Array.from({ length: streamsPerClient }, (_, stream) => ({
    stream: { app: 'crash', client: String(client), stream: String(stream) },
    values: Array.from({ length: linesPerPush / streamsPerClient }, () => {
      const n = next();
      const line = `line ${n} of client ${client} in stream ${stream}`;
      lines.push(line);
      // No two lines share a timestamp: paging in `readAll` rests on it.
      return [`${BigInt(Date.now()) * 1_000_000n + BigInt(n % 1_000_000)}`, line];
    }),
  }));
  return { body: JSON.stringify({ streams }), lines };
}

async function send(push: Push, signal: AbortSignal): Promise<void> {
  try {
    const response = await fetch(`${url}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: push.body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    });
    const text = await response.text();
    if (response.status === 204) {
      for (const line of push.lines) {
        acked.add(line);
        unknown.delete(line);
      }
      return;
    }
    if (response.status < 500 && response.status !== 429)
      throw new Error(`refused: ${response.status} ${text}`);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('refused')) throw error;
  }
  for (const line of push.lines) if (!acked.has(line)) unknown.add(line);
  unanswered.push(push);
}

/** Every line the server holds, with how often: paged by stream and time. */
async function readAll(startNs: bigint): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let client = 0; client < clients; client++) {
    for (let stream = 0; stream < streamsPerClient; stream++) {
      let from = startNs - 3_600_000_000_000n;
      for (;;) {
        const query = new URLSearchParams({
          query: `{app="crash", client="${client}", stream="${stream}"}`,
          start: String(from),
          end: String(BigInt(Date.now() + 3_600_000) * 1_000_000n),
          limit: '5000',
          direction: 'forward',
        });
        const response = await fetch(`${url}/loki/api/v1/query_range?${query.toString()}`);
        if (response.status !== 200) throw new Error(`query: ${response.status} ${await response.text()}`);
        const answer = (await response.json()) as { data: { result: { values: [string, string][] }[] } };
        const entries = answer.data.result.flatMap((result) => result.values);
        for (const [, line] of entries) counts.set(line, (counts.get(line) ?? 0) + 1);
        if (entries.length < 5000) break;
        // Timestamps are unique within a stream, so the next page starts right after the last entry.
        from = entries.map(([ns]) => BigInt(ns)).reduce((a, b) => (a > b ? a : b)) + 1n;
      }
    }
  }
  return counts;
}

function judge(read: ReadonlyMap<string, number>): {
  lost: number;
  doubled: number;
  phantom: number;
  read: number;
} {
  let lost = 0;
  for (const line of acked) if (!read.has(line)) lost += 1;
  let doubled = 0;
  let phantom = 0;
  for (const [line, count] of read) {
    if (count > 1) doubled += 1;
    if (!acked.has(line) && !unknown.has(line)) phantom += 1;
  }
  return { lost, doubled, phantom, read: read.size };
}

async function start(directory: string): Promise<ChildProcess> {
  const log = fs.openSync(path.join(directory, 'server.log'), 'a');
  const server = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      'apps/loki/src/main.ts',
      ...(options.config === '' ? [] : [`-config.file=${options.config}`]),
      `-server.http-listen-port=${port}`,
      `-server.grpc-listen-port=${port + 1}`,
      `-common.path-prefix=${directory}/data`,
      '-distributor.ingestion-rate-limit-mb=1024',
      '-distributor.ingestion-burst-size-mb=1024',
    ],
    { cwd: root, stdio: ['ignore', log, log] },
  );
  fs.closeSync(log);
  const deadline = Date.now() + readyWithinMs;
  for (;;) {
    if (server.exitCode !== null) throw new Error(`the server ended: see ${directory}/server.log`);
    try {
      if ((await fetch(`${url}/ready`)).status === 200) return server;
    } catch {
      // Not listening yet.
    }
    if (Date.now() > deadline)
      throw new Error(`not ready in ${readyWithinMs} ms: see ${directory}/server.log`);
    await sleep(25);
  }
}

function exited(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) resolve();
    else server.once('exit', () => resolve());
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

process.exitCode = await main();
