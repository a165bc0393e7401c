/** Protects the judge: it must see each way in which a server can be wrong, and none in one that is right. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NodeClock, NodeDisk, NodeRandom, NodeTimers } from '@loki/runtime';
import { LedgerChecks } from './ledger-checks.ts';
import { faultsIn, LedgerJudge } from './ledger-judge.ts';
import type { Findings } from './ledger-judge.ts';
import { LedgerLoad } from './ledger-load.ts';
import type { RequestOutcome } from './ledger-load.ts';
import { Ledger } from './ledger.ts';
import { LokiClient } from './loki-client.ts';
import { TestLoki } from './test/loki.ts';

let directory: string;
let ledger: Ledger;
let loki: TestLoki;
let requests: RequestOutcome[];

beforeEach(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-judge-'));
  ledger = await Ledger.open(new NodeDisk(directory), 'ledger', { run: 'r', lineBytes: 60 });
  loki = new TestLoki();
  requests = [];
});

afterEach(async () => {
  await ledger.close();
  fs.rmSync(directory, { recursive: true, force: true });
});

const world = () => ({
  ledger,
  client: new LokiClient({
    http: loki,
    timers: new NodeTimers(),
    addresses: ['http://a', 'http://b'],
    headers: {},
    writeTimeoutMs: 1000,
    queryTimeoutMs: 1000,
    retryAfterMs: 1,
  }),
  clock: new NodeClock(),
  timers: new NodeTimers(),
  random: new NodeRandom(),
  labels: (stream: number) => ({ s: String(stream) }),
  selector: (stream: number) => `{s="${stream}"}`,
  onOutcome: (each: RequestOutcome) => void requests.push(each),
});

async function push(pushes: number, refusedEvery = 0): Promise<void> {
  const load = new LedgerLoad(world(), {
    streams: 3,
    streamsPerPush: 2,
    linesPerPush: 10,
    clients: 1,
    linesPerSecond: 1,
    refusedEvery,
    refusedAgeMs: 9 * 24 * 3_600_000,
    attemptsMax: 2,
  });
  for (let i = 0; i < pushes; i++) await load.pushOnce();
}

function judge(): Promise<Findings> {
  return new LedgerJudge({ ...world(), attemptsMax: 2 }).judgeAll();
}

test('a server that keeps its promises is found good, with refused and unanswered pushes', async () => {
  await push(30, 10);
  loki.losesAnswers = true;
  await push(3);
  loki.losesAnswers = false;
  expect(ledger.counts()).toEqual({ pending: 0, acked: 270, unknown: 30, rejected: 3 });
  const findings = await judge();
  expect(faultsIn(findings)).toBe(0);
  expect(findings).toMatchObject({ read: 300, unknownPresent: 30 });
});

test('pages follow each other without a gap or an overlap', async () => {
  loki.pageMax = 7;
  await push(20);
  // The judge asks for pages of its own size; the server gives fewer, as one with a lower limit would.
  expect(faultsIn(await judge())).toBeGreaterThan(0);
  loki.pageMax = 5_000;
  await push(1_600);
  expect(faultsIn(await judge())).toBe(0);
});

test.each<[keyof Findings, (loki: TestLoki) => void]>([
  ['lost', (server) => server.entries.splice(17, 1)],
  ['doubled', (server) => server.entries.splice(17, 0, server.entries[17])],
  ['changed', (server) => (server.entries[17] = { ...server.entries[17], line: 'ledger r 0 0 other' })],
  ['changed', (server) => (server.entries[17] = { ...server.entries[17], ns: server.entries[17].ns + 1n })],
  ['misplaced', (server) => server.entries.reverse()],
  ['unreadable', (server) => (server.failsQueries = true)],
])('finds what is %s', async (kind, breakIt) => {
  await push(30);
  expect(faultsIn(await judge())).toBe(0);
  breakIt(loki);
  const findings = await judge();
  expect(findings[kind]).toBeGreaterThan(0);
  expect(findings.examples.length).toBeGreaterThan(0);
});

test('a refused line that is there is found', async () => {
  loki.storesRefused = true;
  await push(10, 5);
  expect(await judge()).toMatchObject({ rejectedPresent: 2, lost: 0 });
});

test('a push that was refused after an attempt without an answer is unknown', async () => {
  loki.script = [0, 400];
  await push(1);
  expect(ledger.counts()).toMatchObject({ unknown: 10, rejected: 0 });
  expect(requests[0]).toMatchObject({ isOk: false });
});

test('a push answered at its repeat is acknowledged, and its repeat is told', async () => {
  loki.script = [503];
  await push(1);
  expect(ledger.counts()).toMatchObject({ acked: 10 });
  expect(requests[0]).toMatchObject({ isOk: true, failures: [{ status: 503 }] });
});

test('queries during the load find lines that an answer without an error lacks', async () => {
  await push(60);
  const checks = new LedgerChecks(world(), {
    clients: 1,
    queriesPerSecond: 1,
    streams: 3,
    attemptsMax: 2,
    partsMax: 5,
  });
  for (let i = 0; i < 60; i++) await checks.checkOnce();
  expect(faultsIn(checks.findings)).toBe(0);
  expect(requests.filter(({ kind }) => kind === 'query')).toHaveLength(60);
  loki.hidesEvery = 7;
  for (let i = 0; i < 60; i++) await checks.checkOnce();
  expect(checks.findings.lost).toBeGreaterThan(0);
});
