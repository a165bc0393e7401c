/**
 * Protects the canary against the real product: what it reports of a server that is well, and how its ledger
 * judges.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { eventually, freePort } from '@loki/test-tools';

const root = path.resolve(import.meta.dirname, '../../..');
let directory: string;
let port: number;
let server: ChildProcess;

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-canary-'));
  port = await freePort();
  server = start('loki', [
    `-server.http-listen-port=${port}`,
    '-server.grpc-listen-port=0',
    `-common.path-prefix=${directory}/data`,
  ]);
  await eventually(() => answers(`http://127.0.0.1:${port}/ready`));
});

afterAll(async () => {
  await end(server, 'SIGKILL');
  fs.rmSync(directory, { recursive: true, force: true });
});

test('lines that are pushed come back by the websocket, and none is missing', async () => {
  const admin = await freePort();
  const canary = start('canary', [
    `-addr=127.0.0.1:${port}`,
    '-push',
    `-port=${admin}`,
    '-interval=50ms',
    '-pruneinterval=500ms',
    '-wait=10s',
    '-spot-check-interval=1s',
    '-spot-check-initial-wait=3s',
    '-spot-check-query-rate=500ms',
    '-metric-test-interval=500ms',
  ]);
  try {
    const metric = async (name: string): Promise<number> => {
      const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
      const line = text.split('\n').find((each) => each.startsWith(`loki_canary_${name} `));
      return Number(line?.split(' ')[1]);
    };
    await eventually(async () => (await metric('response_latency_seconds_count').catch(() => 0)) > 20);
    await eventually(async () => (await metric('spot_check_entries_total')) > 2);
    for (const name of ['missing', 'websocket_missing', 'duplicate', 'out_of_order', 'spot_check_missing']) {
      expect([name, await metric(`${name}_entries_total`)]).toEqual([name, 0]);
    }
    expect(await metric('metric_test_actual')).toBeGreaterThan(5);

    const suspended = await fetch(`http://127.0.0.1:${admin}/suspend`, { method: 'POST' });
    expect(suspended.status).toBe(200);
    const written = await metric('entries_total');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await metric('entries_total')).toBe(written);
  } finally {
    expect(await end(canary, 'SIGTERM')).toBe(0);
  }
});

test('a ledger of lines is found complete, and one that says more than was stored is not', async () => {
  const ledger = path.join(directory, 'ledger.jsonl');
  const report = path.join(directory, 'report.json');
  const flags = [`-addr=127.0.0.1:${port}`, `-ledger.file=${ledger}`, `-ledger.report=${report}`];
  const read = () => JSON.parse(fs.readFileSync(report, 'utf8')) as Record<string, unknown>;
  const pushing = start('canary', [
    ...flags,
    '-ledger.duration=2s',
    '-ledger.settle=0s',
    '-ledger.refused-every=5',
    '-ledger.queries=10',
  ]);
  expect(await ended(pushing)).toBe(0);
  expect(read()).toMatchObject({ isGood: true, judged: { lost: 0, doubled: 0 }, checked: { lost: 0 } });
  expect(read()['acked']).toBeGreaterThan(100);
  expect(read()['rejected']).toBeGreaterThan(0);

  fs.appendFileSync(
    ledger,
    `${JSON.stringify({ push: 1_000_000, parts: [[0, 1e6, 3, `${BigInt(Date.now()) * 1_000_000n}`]] })}\n`,
  );
  const pushes = fs
    .readFileSync(ledger, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"parts"'));
  fs.appendFileSync(ledger, `${JSON.stringify({ push: pushes.length - 1, outcome: 'acked' })}\n`);
  const judging = start('canary', [...flags, '-ledger.judge-only']);
  expect(await ended(judging)).toBe(1);
  expect(read()).toMatchObject({ isGood: false, judged: { lost: 3 } });
});

test('flags that mean nothing are refused in Go’s words', async () => {
  const canary = spawn(process.execPath, ['apps/canary/src/main.ts', '-nonsense'], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  let text = '';
  canary.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  expect(await ended(canary)).toBe(2);
  expect(text).toContain('flag provided but not defined: -nonsense');
});

function start(app: string, flags: readonly string[]): ChildProcess {
  const log = fs.openSync(path.join(directory, `${app}.log`), 'a');
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', `apps/${app}/src/main.ts`, ...flags],
    { cwd: root, stdio: ['ignore', log, log], env: { ...process.env, NODE_OPTIONS: '' } },
  );
  fs.closeSync(log);
  return child;
}

function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once('close', (code) => resolve(code)));
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  child.kill(signal);
  return ended(child);
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).status === 200;
  } catch {
    return false; // not listening yet
  }
}
