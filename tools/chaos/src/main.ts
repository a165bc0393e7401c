/**
 * Real Kafka, Redis and MinIO, 2 gateways, 2 distributors, 3 ingesters in 3 zones, 2 queriers and a
 * compactor, under a ledger's load and its queries; rounds of faults that a seed decides; and the ledger's
 * judgement of every line.
 *
 *     npm run chaos -- --rounds 50 [--seed 1] [--only kill-ingester,stop-redis] [--pause-min 3] [--pause-max 15] [--keep]
 *     npm run chaos -- --list                   the kinds of faults
 *     npm run chaos -- --plant commitBeforeFlush    with a mistake that must be found: fails when it is not
 *
 * A push or a query may fail once and must be answered when it is repeated, unless nobody is left who could.
 * At the end: how long each kind took to recover, and the verdict, which is the exit code too.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { faultsIn, Ledger, LokiClient } from '@loki/canary';
import type { Findings } from '@loki/canary';
import { NodeDisk, NodeHttpClient, NodeTimers } from '@loki/runtime';
import { Prng } from '@loki/virtual';
import { drawRounds, faults } from './faults.ts';
import type { Fault } from './faults.ts';
import { plants } from './planted.ts';
import type { Plant } from './planted.ts';
import { recoveryTable } from './recovery.ts';
import { Rounds } from './rounds.ts';
import { System } from './system.ts';

const lineBytes = 120;

interface Options {
  readonly rounds: number;
  readonly seed: string;
  readonly kinds: readonly Fault[];
  readonly pauseMs: { readonly min: number; readonly max: number };
  readonly linesPerSecond: number;
  readonly queriesPerSecond: number;
  readonly plant: Plant | undefined;
  readonly keeps: boolean;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (!options) {
    for (const { kind } of faults) console.log(kind);
    for (const [name, text] of Object.entries(plants)) console.log(`--plant ${name}: ${text}`);
    return 0;
  }
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-chaos-'));
  const stop = new AbortController();
  const stopping = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        stop.abort();
        resolve();
      });
    }
  });
  let keeps = options.keeps;
  try {
    const code = await run(options, directory, stop.signal, stopping);
    // What went wrong is in the logs.
    keeps ||= code === 1;
    return code;
  } finally {
    if (keeps) console.log(`data and logs: ${directory}`);
    else fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function run(
  options: Options,
  directory: string,
  signal: AbortSignal,
  stopping: Promise<void>,
): Promise<number> {
  const { seed, plant } = options;
  const beganMs = Date.now();
  const say = (text: string): void =>
    console.log(`${((Date.now() - beganMs) / 1000).toFixed(1).padStart(7)} ${text}`);
  let rounds: Rounds | undefined;
  say(`seed ${seed}: starting Kafka, Redis, MinIO and the processes`);
  const system = await System.start(
    { directory, plant, onEnded: (name, reason) => rounds?.ended(name, reason) },
    stopping,
  );
  const http = new NodeHttpClient();
  try {
    if (signal.aborted) return 130;
    const disk = new NodeDisk(directory);
    const ledger = await Ledger.open(disk, 'ledger.jsonl', {
      run: randomBytes(4).toString('hex'),
      lineBytes,
    });
    const client = new LokiClient({
      http,
      timers: new NodeTimers(),
      addresses: system.gatewayUrls,
      headers: {},
      writeTimeoutMs: 10_000,
      queryTimeoutMs: 10_000,
      retryAfterMs: 500,
    });
    const random = new Prng(seed);
    rounds = new Rounds({ ...options, system, ledger, client, random, signal, say });
    say(`ready: ${system.gatewayUrls.join(' ')}; logs in ${directory}/logs`);
    rounds.start();
    // Whatever is under way is given up when the run is to end.
    const end = await Promise.race([allRounds(rounds, options, random), stopping]);
    if (!end) return 130;
    if (end === 'found') {
      say(`${plant} was found`);
      console.log('1 passed, 0 failed');
      return 0;
    }
    const { before, after } = end;
    console.log(`\n${recoveryTable(rounds.recoveries)}\n`);
    const { violations } = rounds;
    for (const text of violations) console.log(`!! ${text}`);
    const { examples: _, ...found } = after;
    console.log(JSON.stringify({ seed, rounds: options.rounds, ...ledger.counts(), ...found }));
    await ledger.close();
    const isBad = violations.length > 0 || faultsIn(before) + faultsIn(after) > 0;
    if (plant) console.log(isBad ? `${plant} was found` : `${plant} was not found`);
    const isPassed = plant ? isBad : !isBad;
    console.log(isPassed ? '1 passed, 0 failed' : '0 passed, 1 failed');
    return isPassed ? 0 : 1;
  } finally {
    await system.stop();
    http.close();
  }
}

/** `found`: a planted mistake was. */
async function allRounds(
  rounds: Rounds,
  { plant, kinds, rounds: count }: Options,
  random: Prng,
): Promise<'found' | undefined | { before: Findings; after: Findings }> {
  for (const [i, drawn] of drawRounds(random.fork('rounds'), count, kinds).entries()) {
    if (!(await rounds.round(i + 1, drawn))) return undefined;
    if (plant && rounds.violations.length > 0) return 'found';
  }
  return rounds.finish();
}

/** Undefined: only the kinds are wanted. */
function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      'pause-min': { type: 'string', default: '3' },
      'pause-max': { type: 'string', default: '15' },
      rate: { type: 'string', default: '400' },
      queries: { type: 'string', default: '4' },
      plant: { type: 'string' },
      keep: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  if (values.list) return undefined;
  const wanted = values.only.split(',').filter((kind) => kind !== '');
  const unknown = wanted.find((kind) => !faults.some((fault) => fault.kind === kind));
  if (unknown !== undefined) throw new Error(`${unknown} is no kind of fault: see --list`);
  const plant = values.plant;
  const pauseMin = Number(values['pause-min']) * 1000;
  const pauseMax = Number(values['pause-max']) * 1000;
  if (plant !== undefined && !Object.hasOwn(plants, plant)) throw new Error(`${plant} cannot be planted`);
  return {
    rounds: Number(values.rounds),
    seed: values.seed,
    kinds: wanted.length === 0 ? faults : faults.filter(({ kind }) => wanted.includes(kind)),
    pauseMs: { min: Math.min(pauseMin, pauseMax), max: pauseMax },
    linesPerSecond: Number(values.rate),
    queriesPerSecond: Number(values.queries),
    plant: plant as Plant | undefined,
    keeps: values.keep,
  };
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
