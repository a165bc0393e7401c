/** Rounds of the chaos test: faults under load, recovery, judgement. */
import { faultsIn, LedgerChecks, LedgerJudge, LedgerLoad } from '@loki/canary';
import type { Findings, Ledger, LokiClient, StreamSelector } from '@loki/canary';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import type { Prng } from '@loki/virtual';
import type { Fault } from './fault.ts';
import { redisImage } from './faults.ts';
import type { Recovery } from './recovery.ts';
import type { RedisImage } from './services.ts';
import type { System } from './system.ts';
import { Watch } from './watch.ts';

/** Loki's label for the streams of a canary. */
const labelName = 'name';

interface RoundsOptions {
  readonly system: System;
  readonly ledger: Ledger;
  readonly client: LokiClient;
  /** Of the readings that look for lost lines. */
  readonly judgeClient: LokiClient;
  readonly random: Prng;
  readonly pauseMs: { readonly min: number; readonly max: number };
  readonly load: LoadShape;
  readonly queriesPerSecond: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

export interface LoadShape {
  readonly linesPerSecond: number;
  readonly linesPerPush: number;
  readonly clients: number;
}

const streams = 24;
/**
 * With more faults at once than these, a request may fail at its retry: too few processes are left to answer.
 */
const faultsJudged = 2;
/** The system must have recovered this long after the last fault is mended. */
const settleMsMax = 60_000;
/** Clean requests of each kind that prove it. */
const cleanMin = 3;
const steadyMs = 2_000;
/** Rounds between a copy of Redis's content and its restoration. */
const imageAge = 2;

/** Rounds of faults under load, and the violations found in them. */
export class Rounds {
  readonly violations: string[] = [];
  readonly recoveries: Recovery[] = [];
  readonly #options: RoundsOptions;
  readonly #watch = new Watch();
  readonly #clock = new NodeClock();
  readonly #load: LedgerLoad;
  readonly #checks: LedgerChecks;
  readonly #judge: LedgerJudge;
  readonly #images: RedisImage[] = [];
  /** For each stream, the first line that no round has judged yet. */
  #judgedTo = new Map<number, number>();
  #excusesEnds = false;
  #checkFaults = 0;

  constructor(options: RoundsOptions) {
    this.#options = options;
    const { ledger, client, judgeClient } = options;
    const world = {
      ledger,
      client,
      clock: this.#clock,
      timers: new NodeTimers(),
      random: new NodeRandom(),
      onOutcome: (request: Parameters<Watch['add']>[0]) => this.#watch.add(request),
    };
    const selector: StreamSelector = (stream) =>
      `{${labelName}="chaos",run="${ledger.run}",ledger="${stream}"}`;
    this.#load = new LedgerLoad(
      {
        ...world,
        labels: (stream) => ({ [labelName]: 'chaos', run: ledger.run, ledger: String(stream) }),
      },
      {
        streams,
        streamsPerPush: 4,
        ...options.load,
        refusedEvery: 50,
        refusedAgeMs: 9 * 24 * 3_600_000,
        attemptsMax: 2,
      },
    );
    this.#checks = new LedgerChecks(
      { ...world, selector },
      { clients: 3, queriesPerSecond: options.queriesPerSecond, streams, attemptsMax: 2, partsMax: 60 },
    );
    this.#judge = new LedgerJudge({ ledger, client: judgeClient, selector, attemptsMax: 4 });
  }

  start(): void {
    this.#load.start();
    this.#checks.start();
  }

  /** @returns false when the run is to end now */
  async round(number: number, faults: readonly Fault[]): Promise<boolean> {
    const { signal, say, system } = this.#options;
    await pauseOf(steadyMs, signal);
    if (signal.aborted) return false;
    const beganMs = this.#clock.monotonicMs();
    this.#watch.forget(beganMs - 60_000);
    this.#excusesEnds = faults.some(({ group }) => ['kafka', 'redis', 'minio'].includes(group));
    this.#images.push(await redisImage(system));
    const image = this.#images[Math.max(0, this.#images.length - 1 - imageAge)];
    const world = {
      ...this.#options,
      redisImage: image,
      pushes: (fromMs: number, toMs: number) => this.#watch.pushes(fromMs, toMs),
    };
    const mended = faults.map(async (fault, i) => {
      const hit = await fault
        .run({ ...world, random: world.random.fork(`fault ${i}`) })
        .catch((error: unknown) => {
          if (!signal.aborted) this.#violate(`round ${number}: ${fault.kind}: ${String(error)}`);
          return 'given up';
        });
      return { fault, hit, mendedMs: this.#clock.monotonicMs() };
    });
    const runs = await Promise.all(mended);
    if (signal.aborted) return false;
    const mendedMs = Math.max(...runs.map((each) => each.mendedMs));
    const settledMs = await this.#settle(mendedMs, number);
    if (signal.aborted) return false;
    this.#tellFailures(number, faults, beganMs);
    const pushes = this.#watch.stretch('push', beganMs);
    const queries = this.#watch.stretch('query', beganMs);
    const recoverySeconds = Math.max(0, settledMs - mendedMs) / 1000;
    for (const { kind } of faults) this.recoveries.push({ kind, seconds: recoverySeconds, pushes, queries });
    const findings = await this.#judgeNew();
    this.#tellFindings(`round ${number}`, findings);
    const hits = runs.map(({ fault, hit }) => `${fault.kind} (${hit})`).join(' + ');
    const seconds = ((this.#clock.monotonicMs() - beganMs) / 1000).toFixed(1);
    say(
      `round ${number}: ${hits}: ${seconds} s, settled in ${recoverySeconds.toFixed(1)} s; pushes ${inWords(pushes)}; queries ${inWords(queries)}; ${findings.read} lines read, ${faultsIn(findings)} wrong`,
    );
    return true;
  }

  /** A process ended without a fault. */
  ended(name: string, reason: string): void {
    const text = `${name} ended by itself (${reason})`;
    if (this.#excusesEnds) this.#options.say(`${text}, while a service was away`);
    else this.#violate(text);
  }

  /**
   * Ends load and queries, and judges every line that was ever sent: before and after a flush of all heads.
   */
  async finish(): Promise<{ before: Findings; after: Findings }> {
    await this.#stopLoad();
    const before = await this.#judge.judgeAll();
    this.#tellFindings('at the end', before);
    await this.#options.system.flushAll();
    const after = await this.#judge.judgeAll();
    this.#tellFindings('after the last flush', after);
    return { before, after };
  }

  async #stopLoad(): Promise<void> {
    await Promise.all([this.#load.stop(), this.#checks.stop()]);
  }

  /** The time at which the system had recovered. */
  async #settle(mendedMs: number, number: number): Promise<number> {
    const { system, signal } = this.#options;
    const endMs = mendedMs + settleMsMax;
    let readyMs: number | undefined;
    let reason: string | undefined = 'not asked';
    while (!signal.aborted) {
      reason = await system.notReady();
      readyMs = reason === undefined ? (readyMs ?? this.#clock.monotonicMs()) : undefined;
      const sinceMs = Math.max(readyMs ?? 0, this.#watch.lastFailureMs(mendedMs) ?? 0);
      const clean = Math.min(this.#watch.clean('push', sinceMs), this.#watch.clean('query', sinceMs));
      if (readyMs !== undefined && clean >= cleanMin) return sinceMs;
      if (this.#clock.monotonicMs() > endMs) {
        this.#violate(
          `round ${number}: not settled in ${settleMsMax / 1000} s: ${reason ?? 'requests fail'}`,
        );
        return this.#clock.monotonicMs();
      }
      await pauseOf(100, signal);
    }
    return this.#clock.monotonicMs();
  }

  #tellFailures(number: number, faults: readonly Fault[], sinceMs: number): void {
    if (faults.length > faultsJudged) return;
    for (const kind of ['push', 'query'] as const) {
      const failed = this.#watch.failures(kind, sinceMs);
      if (failed.length === 0 || faults.some(({ excuses }) => excuses?.[kind])) continue;
      this.#violate(
        `round ${number} (${faults.map((fault) => fault.kind).join(' + ')}): ${failed.length} failed: ${kind} with its repeat: ${failed[0]}`,
      );
    }
  }

  /** Lines that came since the last round's judgement. */
  async #judgeNew(): Promise<Findings> {
    const from = this.#judgedTo;
    this.#judgedTo = new Map(
      [...this.#options.ledger.streams].map(([id, { parts }]) => {
        // Pushes without an answer are judged in the next round.
        const pending = parts.find(({ push }) => push.outcome === 'pending');
        const last = parts.at(-1);
        return [id, pending?.from ?? (last ? last.from + last.count : 0)];
      }),
    );
    const findings = await this.#judge.judgeAll(from);
    const { findings: checked } = this.#checks;
    const wrong = faultsIn(checked) - this.#checkFaults;
    this.#checkFaults += wrong;
    if (wrong > 0) {
      this.#violate(
        `answers without an error that lacked or doubled lines: ${wrong}: ${checked.examples.splice(0).slice(0, 3).join('; ')}`,
      );
    }
    return findings;
  }

  #tellFindings(when: string, findings: Findings): void {
    if (faultsIn(findings) === 0) return;
    const { examples, ...counts } = findings;
    this.#violate(`${when}: ${JSON.stringify(counts)}: ${examples.slice(0, 3).join('; ')}`);
  }

  #violate(text: string): void {
    this.violations.push(text);
    this.#options.say(`!! ${text}`);
  }
}

function inWords({ count, repeated, failed, slowestMs }: ReturnType<Watch['stretch']>): string {
  return `${count}, ${repeated} repeated, ${failed} failed, slowest ${(slowestMs / 1000).toFixed(1)} s`;
}

function pauseOf(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => resolve(clearTimeout(timer)), { once: true });
  });
}
