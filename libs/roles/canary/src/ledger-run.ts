/** One run of the ledger: load, queries beside it, and the final judgement. */
import type { Clock, Disk, Random, Timers } from '@loki/ports';
import { LedgerChecks } from './ledger-checks.ts';
import { faultsIn, LedgerJudge } from './ledger-judge.ts';
import type { Findings } from './ledger-judge.ts';
import { LedgerLoad } from './ledger-load.ts';
import type { RequestOutcome } from './ledger-load.ts';
import { Ledger } from './ledger.ts';
import type { Answer, LokiClient } from './loki-client.ts';
import { labelsOf, selectorOf } from './options.ts';
import type { CanaryOptions } from './options.ts';

interface LedgerRunDeps {
  readonly client: LokiClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  /** Ends the load early; the final judgement follows nevertheless. */
  readonly signal: AbortSignal;
}

/** Summary of a ledger run. */
interface LedgerReport {
  /** Lines by outcome. */
  readonly acked: number;
  readonly unknown: number;
  readonly rejected: number;
  /** Findings of the final reading. */
  readonly judged: Findings;
  /** Lines that successful answers lacked or repeated during the load. */
  readonly checked: Findings;
  readonly pushes: Requests;
  readonly queries: Requests;
  readonly isGood: boolean;
}

/** Counts of requests of one kind. */
interface Requests {
  readonly sent: number;
  /** Requests that succeeded after a retry. */
  readonly repeated: number;
  /** Requests that failed at every attempt. */
  readonly failed: number;
  readonly slowestMs: number;
  /** Of repeated and failed ones: time, kind, and the answers that were failures. */
  readonly examples: readonly string[];
}

/** Counters of requests of one kind. */
type Counted = { -readonly [Field in keyof Requests]: Requests[Field] } & { readonly examples: string[] };

/**
 * Age of lines that must be refused: older than any default limit accepts, younger than queries may ask for.
 */
const refusedAgeMs = 9 * 24 * 3_600_000;
const judgeAttemptsMax = 10;
const checkedPartsMax = 40;
const queryClients = 2;
const examplesMax = 20;
/** Characters of an answer in an example. */
const answerCharsMax = 200;

/** Pushes for some time with parallel queries, then reads everything back. */
export async function runLedger(
  deps: LedgerRunDeps,
  options: CanaryOptions,
  path: string,
): Promise<LedgerReport> {
  const { client, clock, timers, random, disk, signal } = deps;
  const run = Buffer.from(random.bytes(4)).toString('hex');
  const ledger = await Ledger.open(disk, path, { run, lineBytes: options.size });
  const requests: Record<RequestOutcome['kind'], Counted> = {
    push: { sent: 0, repeated: 0, failed: 0, slowestMs: 0, examples: [] },
    query: { sent: 0, repeated: 0, failed: 0, slowestMs: 0, examples: [] },
  };
  const onOutcome = (request: RequestOutcome): void => {
    const { kind, isOk, failures, beganMs, endedMs } = request;
    const of = requests[kind];
    of.sent += 1;
    if (!isOk) of.failed += 1;
    else if (failures.length > 0) of.repeated += 1;
    of.slowestMs = Math.max(of.slowestMs, Math.round(endedMs - beganMs));
    if (failures.length > 0 && of.examples.length < examplesMax) {
      of.examples.push(`${new Date(clock.nowMs()).toISOString()} ${exampleOf(request)}`);
    }
  };
  const labels = (stream: number): Record<string, string> => ({
    ...labelsOf({ ...options, streamvalue: `ledger-${stream}` }),
    run: ledger.run,
  });
  const selector = (stream: number): string => selectorOf(labels(stream));
  const shared = { ledger, client, clock, timers, random, onOutcome: onOutcome };
  const load = new LedgerLoad({ ...shared, labels }, loadOptions(options));
  const checks = new LedgerChecks(
    { ...shared, selector },
    {
      clients: queryClients,
      queriesPerSecond: Math.max(0.01, options['ledger.queries']),
      streams: options['ledger.streams'],
      attemptsMax: options['ledger.attempts'],
      partsMax: checkedPartsMax,
    },
  );
  if (!options['ledger.judge-only']) {
    load.start();
    if (options['ledger.queries'] > 0) checks.start();
    const forMs = options['ledger.duration'] || Number.MAX_SAFE_INTEGER;
    await Promise.race([timers.sleep(forMs, signal).catch(() => undefined), load.failed()]);
    await Promise.all([load.stop(), checks.stop()]);
    await timers.sleep(options['ledger.settle']);
  }
  const judged = await new LedgerJudge({
    ledger,
    client,
    selector,
    attemptsMax: judgeAttemptsMax,
  }).judgeAll();
  const { acked, unknown, rejected } = ledger.counts();
  await ledger.close();
  return {
    acked,
    unknown,
    rejected,
    judged,
    checked: checks.findings,
    pushes: requests.push,
    queries: requests.query,
    isGood: faultsIn(judged) + faultsIn(checks.findings) === 0,
  };
}

function exampleOf({ kind, isOk, failures, beganMs, endedMs }: RequestOutcome): string {
  const answerOf = ({ status, text }: Answer): string =>
    `${status || 'no answer'}: ${text.trim().slice(0, answerCharsMax)}`;
  const result = isOk ? 'repeated' : 'failed';
  return `${kind} ${result} after ${Math.round(endedMs - beganMs)} ms: ${failures.map(answerOf).join('; ')}`;
}

function loadOptions(options: CanaryOptions) {
  return {
    streams: options['ledger.streams'],
    streamsPerPush: Math.min(options['ledger.push-streams'], options['ledger.streams']),
    linesPerPush: options['ledger.push-lines'],
    clients: options['ledger.clients'],
    linesPerSecond: options['ledger.rate'],
    refusedEvery: options['ledger.refused-every'],
    refusedAgeMs,
    attemptsMax: options['ledger.attempts'],
  };
}
