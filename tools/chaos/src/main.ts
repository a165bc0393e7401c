/**
 * Real Kafka, Redis and MinIO, 2 gateways, 2 distributors, 3 ingesters in 3 zones, 2 queriers and a
 * compactor, under a ledger's load and its queries; rounds of faults that a seed decides; and the ledger's
 * judgement of every line.
 *
 *     npm run chaos -- --rounds 50 [--seed 1] [--only kill-ingester,stop-redis] [--pause-min 3] [--pause-max 15] [--keep]
 *     npm run chaos -- --scenario acked         a row of docs/reliability.md: its kinds, load and end
 *     npm run chaos -- --list                   the kinds of faults, and the scenarios
 *     npm run chaos -- --plant commitBeforeFlush    with a mistake that must be found: fails when it is not
 *
 * A push or a query may fail once and must be answered when it is repeated, unless no process is left that
 * could. At the end: how long each kind took to recover, and the verdict, which is the exit code too.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { faultsIn, Ledger, LokiClient } from '@loki/canary';
import type { Findings } from '@loki/canary';
import { endWithUsageError, numberOf, readOptions } from '@loki/command-line';
import { NodeDisk, NodeHttpClient, NodeTimers } from '@loki/runtime';
import { Prng } from '@loki/virtual';
import type { Fault } from './fault.ts';
import { drawRounds, faults } from './faults.ts';
import { plants } from './planted.ts';
import type { Plant } from './planted.ts';
import { previousTree } from './previous.ts';
import { recoveryTable } from './recovery.ts';
import { Rounds } from './rounds.ts';
import { scenarios } from './scenarios.ts';
import type { Scenario } from './scenarios.ts';
import { System } from './system.ts';

/** Clients' patience: a request without an answer by then has failed. */
const clientTimeoutMs = 10_000;
/**
 * Of the readings of all lines. They prove that no line is lost; how fast answers are is judged by the
 * clients beside the load.
 */
const judgeTimeoutMs = 60_000;

interface Options extends Scenario {
  readonly seed: string;
  readonly faults: readonly Fault[];
  /** The commit of version N-1; empty: all are of this version. */
  readonly previous: string;
  readonly plant: Plant | undefined;
  readonly keeps: boolean;
}

async function main(): Promise<number> {
  const options = runOptions();
  if (!options) {
    for (const { kind } of faults) console.log(kind);
    for (const [name, { about }] of Object.entries(scenarios)) console.log(`--scenario ${name}: ${about}`);
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
    // The logs say what went wrong.
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
  const previous = options.previous === '' ? undefined : previousTree(options.previous, directory);
  const onEnded = (name: string, reason: string): void => rounds?.ended(name, reason);
  const system = await System.start({ directory, plant, previous, onEnded }, stopping);
  const http = new NodeHttpClient();
  try {
    if (signal.aborted) return 130;
    const disk = new NodeDisk(directory);
    const ledger = await Ledger.open(disk, 'ledger.jsonl', {
      run: randomBytes(4).toString('hex'),
      lineBytes: options.lineBytes,
    });
    const clientFor = (queryTimeoutMs: number): LokiClient =>
      new LokiClient({
        http,
        timers: new NodeTimers(),
        addresses: system.gatewayUrls,
        headers: {},
        writeTimeoutMs: clientTimeoutMs,
        queryTimeoutMs,
        retryAfterMs: 500,
      });
    const clients = { client: clientFor(clientTimeoutMs), judgeClient: clientFor(judgeTimeoutMs) };
    const random = new Prng(seed);
    rounds = new Rounds({ ...options, ...clients, system, ledger, random, signal, say });
    say(`ready: ${system.gatewayUrls.join(' ')}; logs in ${directory}/logs`);
    rounds.start();
    // The round under way is abandoned when the run is to end.
    const end = await Promise.race([allRounds({ rounds, options, random, ledger }), stopping]);
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
    const { recoveries } = rounds;
    console.log(JSON.stringify({ seed, faults: recoveries.length, ...ledger.counts(), ...found }));
    const { acked } = ledger.counts();
    if (acked < options.ackedMin) {
      violations.push(`${acked} lines were acknowledged, not ${options.ackedMin}`);
    }
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

interface Run {
  readonly rounds: Rounds;
  readonly options: Options;
  readonly random: Prng;
  readonly ledger: Ledger;
}

/** `found`: a planted mistake was detected. */
async function allRounds({
  rounds,
  options,
  random,
  ledger,
}: Run): Promise<'found' | undefined | { before: Findings; after: Findings }> {
  let number = 0;
  for (const faultsOfRound of drawRounds(random.fork('rounds'), options.faults, options.atOnce)) {
    // A bounded number of further rounds while lines are missing.
    const isEnough = number >= options.rounds && ledger.counts().acked >= options.ackedMin;
    if (isEnough || number >= 2 * options.rounds) break;
    if (!(await rounds.round(++number, faultsOfRound))) return undefined;
    if (options.plant && rounds.violations.length > 0) return 'found';
  }
  return rounds.finish();
}

/** Undefined: the command only lists kinds and scenarios. */
function runOptions(): Options | undefined {
  const { values } = readOptions(import.meta.filename, {
    options: {
      scenario: { type: 'string', default: 'all' },
      rounds: { type: 'string' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      'at-once': { type: 'string' },
      'pause-min': { type: 'string' },
      'pause-max': { type: 'string' },
      rate: { type: 'string' },
      lines: { type: 'string' },
      queries: { type: 'string' },
      previous: { type: 'string', default: '' },
      plant: { type: 'string' },
      keep: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  if (values.list) return undefined;
  const { scenario: name, plant } = values;
  if (!Object.hasOwn(scenarios, name)) endWithUsageError(`${name} is no scenario of --list`);
  if (plant !== undefined && !Object.hasOwn(plants, plant)) {
    endWithUsageError(`${plant} is no plant of --list`);
  }
  const scenario = scenarios[name];
  const numberOr = <T>(name: Exclude<keyof typeof values, 'keep' | 'list'>, standard: T): number | T => {
    const text = values[name];
    return text === undefined ? standard : numberOf(name, text);
  };
  const only = values.only.split(',').filter((kind) => kind !== '');
  const kinds = only.length > 0 ? only : scenario.kinds;
  const unknown = kinds.find((kind) => !faults.some((fault) => fault.kind === kind));
  if (unknown !== undefined) endWithUsageError(`${unknown} is no kind of fault of --list`);
  const pauseMax = numberOr('pause-max', scenario.pauseMs.max / 1000) * 1000;
  const pauseMin = numberOr('pause-min', scenario.pauseMs.min / 1000) * 1000;
  return {
    ...scenario,
    rounds: numberOr('rounds', scenario.rounds),
    seed: values.seed,
    faults: faults.filter(({ kind, isSpecial }) => (kinds.length === 0 ? !isSpecial : kinds.includes(kind))),
    atOnce: numberOr('at-once', scenario.atOnce),
    pauseMs: { min: Math.min(pauseMin, pauseMax), max: pauseMax },
    load: { ...scenario.load, linesPerSecond: numberOr('rate', scenario.load.linesPerSecond) },
    ackedMin: numberOr('lines', scenario.ackedMin),
    queriesPerSecond: numberOr('queries', scenario.queriesPerSecond),
    previous: values.previous,
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
