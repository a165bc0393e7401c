/**
 * kill -9 in a loop: real process, real disk, real HTTP. Each round pushes numbered lines from several
 * clients, kills the process at a random moment and starts it again; what got no answer is sent again until
 * it gets one. At the end the canary's ledger judges: every line that was answered with 204 is read back
 * exactly once, and no other line more than once.
 *
 *     npm run crash -- --rounds 50 [--seed 1] [--keep] [--config file.yaml]
 *
 * A configuration file puts other adapters behind the process: Kafka, a bucket. Its topic and bucket must be
 * empty.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { faultsIn, Ledger, LedgerJudge, LedgerLoad, LokiClient } from '@loki/canary';
import { readOptions } from '@loki/command-line';
import { NodeClock, NodeDisk, NodeHttpClient, NodeRandom, NodeTimers } from '@loki/runtime';
import { Daemon } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import { Prng } from '@loki/virtual';

const root = path.resolve(import.meta.dirname, '../../..');
const streams = 20;
const lineBytes = 60;
/** At a tenth of a second each: longer than any start takes. */
const attemptsMax = 1_000;

const { values: options } = readOptions(import.meta.filename, {
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    config: { type: 'string', default: '' },
  },
});

const rounds = Number(options.rounds);

async function main(): Promise<number> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-crash-'));
  const [port, grpcPort] = await freePorts(2);
  const url = `http://127.0.0.1:${port}`;
  const server = serverAt(directory, port, grpcPort);
  const ledger = await Ledger.open(new NodeDisk(directory), 'ledger.jsonl', {
    run: randomBytes(4).toString('hex'),
    lineBytes,
  });
  const http = new NodeHttpClient();
  const client = new LokiClient({
    http,
    timers: new NodeTimers(),
    addresses: [url],
    headers: {},
    writeTimeoutMs: 10_000,
    queryTimeoutMs: 30_000,
    retryAfterMs: 100,
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      server.signal('SIGKILL');
      fs.rmSync(directory, { recursive: true, force: true });
      process.exit(130);
    });
  }
  try {
    await server.startUntil(() => isReady(url));
    const slowestReadyMs = await playRounds(server, url, ledger, client);
    return await judge(url, ledger, client, slowestReadyMs);
  } finally {
    await server.stop();
    await ledger.close();
    http.close();
    if (options.keep) console.log(`data and log: ${directory}`);
    else fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** Kills and starts the process again under load; returns the longest time until it was ready. */
async function playRounds(server: Daemon, url: string, ledger: Ledger, client: LokiClient): Promise<number> {
  const random = new Prng(options.seed);
  let unanswered = 0;
  const load = loadOf(ledger, client, () => unanswered++);
  load.start();
  let slowestReadyMs = 0;
  for (let round = 1; round <= rounds; round++) {
    await sleep(200 + random.float() * 1300);
    if (round % 7 === 0) {
      void fetch(`${url}/flush`, { method: 'POST' }).catch(() => undefined); // Killed during the request.
      await sleep(random.float() * 300);
    }
    await server.stop('SIGKILL');
    const restartMs = Date.now();
    await server.startUntil(() => isReady(url));
    slowestReadyMs = Math.max(slowestReadyMs, Date.now() - restartMs);
    if (round % 10 === 0) {
      console.log(
        `round ${round}: ${ledger.counts().acked} lines acknowledged, ${unanswered} pushes repeated`,
      );
    }
  }
  await load.stop();
  return slowestReadyMs;
}

function loadOf(ledger: Ledger, client: LokiClient, onRepeat: () => void): LedgerLoad {
  return new LedgerLoad(
    {
      ledger,
      client,
      timers: new NodeTimers(),
      clock: new NodeClock(),
      random: new NodeRandom(),
      labels: (stream) => ({ app: 'crash', run: ledger.run, stream: String(stream) }),
      onOutcome: ({ failures }) => {
        if (failures.length > 0) onRepeat();
      },
    },
    {
      streams,
      streamsPerPush: 5,
      linesPerPush: 50,
      clients: 4,
      linesPerSecond: 1e6,
      refusedEvery: 0,
      refusedAgeMs: 0,
      attemptsMax,
    },
  );
}

/** Compares every line with the ledger, before and after a flush; returns the exit code. */
async function judge(
  url: string,
  ledger: Ledger,
  client: LokiClient,
  slowestReadyMs: number,
): Promise<number> {
  const selector = (stream: number): string => `{app="crash",run="${ledger.run}",stream="${stream}"}`;
  const ledgerJudge = new LedgerJudge({ ledger, client, selector, attemptsMax: 1 });
  const beforeFlush = await ledgerJudge.judgeAll();
  await fetch(`${url}/flush`, { method: 'POST' });
  const afterFlush = await ledgerJudge.judgeAll();
  const { acked, unknown } = ledger.counts();
  console.log(JSON.stringify({ rounds, acked, unknown, slowestReadyMs, beforeFlush, afterFlush }));
  const isGood = faultsIn(beforeFlush) + faultsIn(afterFlush) === 0 && acked > 0;
  console.log(isGood ? '1 passed, 0 failed' : '0 passed, 1 failed');
  return isGood ? 0 : 1;
}

function serverAt(directory: string, port: number, grpcPort: number): Daemon {
  return new Daemon(
    'loki',
    path.join(directory, 'server.log'),
    [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      'apps/loki/src/main.ts',
      ...(options.config === '' ? [] : [`-config.file=${path.resolve(options.config)}`]),
      `-server.http-listen-port=${port}`,
      `-server.grpc-listen-port=${grpcPort}`,
      `-common.path-prefix=${directory}/data`,
      '-distributor.ingestion-rate-limit-mb=1024',
      '-distributor.ingestion-burst-size-mb=1024',
    ],
    { directory: root },
  );
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/ready`)).status === 200;
  } catch {
    return false; // not listening yet
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

process.exitCode = await main();
