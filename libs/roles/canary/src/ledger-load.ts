/**
 * The load of a ledger run: clients that push numbered lines, recorded on the ledger before they are sent.
 */
import { nsPerMs } from '@loki/model';
import type { Clock, Random, Timers } from '@loki/ports';
import { ledgerLine } from './ledger-lines.ts';
import { timeOf } from './ledger.ts';
import type { Ledger, LedgerPush, NewPart, Outcome } from './ledger.ts';
import { isFailure } from './loki-client.ts';
import type { Answer, LokiClient } from './loki-client.ts';

interface LoadOptions {
  /** Streams that get lines in turn; one further stream gets the lines that must be refused. */
  readonly streams: number;
  readonly streamsPerPush: number;
  readonly linesPerPush: number;
  readonly clients: number;
  /** Total over all clients. */
  readonly linesPerSecond: number;
  /** One push in this many is too old to be accepted; 0: none. */
  readonly refusedEvery: number;
  /** Age of the lines that must be refused. */
  readonly refusedAgeMs: number;
  /** Attempts after which a push counts as failed. */
  readonly attemptsMax: number;
}

/** One request with all its attempts. */
export interface RequestOutcome {
  readonly kind: 'push' | 'query';
  readonly isOk: boolean;
  readonly beganMs: number;
  readonly endedMs: number;
  readonly failures: readonly Answer[];
}

interface LoadDeps {
  readonly ledger: Ledger;
  readonly client: LokiClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Labels of one stream. */
  readonly labels: (stream: number) => Readonly<Record<string, string>>;
  readonly onOutcome: (outcome: RequestOutcome) => void;
}

/** Clients that push numbered lines at a steady rate; each line is on the ledger before it is sent. */
export class LedgerLoad {
  readonly #deps: LoadDeps;
  readonly #options: LoadOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  #pushes = 0;

  constructor(deps: LoadDeps, options: LoadOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  start(): void {
    for (let client = 0; client < this.#options.clients; client++) this.#running.push(this.#run());
  }

  /** Resolves after the answer to the last push; rejects when a client could not continue. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  /** Rejects as soon as a client cannot continue, for example because the ledger's disk is full. */
  async failed(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #run(): Promise<void> {
    const { clock, timers, random } = this.#deps;
    const { clients, linesPerPush, linesPerSecond } = this.#options;
    const periodMs = (1000 * linesPerPush * clients) / linesPerSecond;
    // Clients start at different times.
    let nextMs = clock.monotonicMs() + random.float() * periodMs;
    while (!this.#stop.signal.aborted) {
      const waitMs = nextMs - clock.monotonicMs();
      if (waitMs > 0) await timers.sleep(waitMs, this.#stop.signal).catch(() => undefined); // stopped
      if (this.#stop.signal.aborted) return;
      // Ticks that were missed while the server did not answer are skipped.
      nextMs = Math.max(nextMs, clock.monotonicMs()) + periodMs;
      await this.pushOnce();
    }
  }

  /** Sends one push with its retries. */
  async pushOnce(): Promise<LedgerPush> {
    const { ledger, client, clock } = this.#deps;
    const { refusedEvery, attemptsMax } = this.#options;
    const number = this.#pushes++;
    const isRefused = refusedEvery > 0 && number % refusedEvery === refusedEvery - 1;
    const push = await ledger.begin(isRefused ? this.#refusedParts() : this.#parts(number), clock.nowNs());
    const body = this.#body(push);
    const beganMs = clock.monotonicMs();
    const { answer, failures } = await client.withRetry((address) => client.push(body, address), attemptsMax);
    await ledger.settle(push, outcomeOf(answer, failures));
    const isOk = isRefused ? !isFailure(answer) : answer.status === 204;
    this.#deps.onOutcome({
      kind: 'push',
      isOk,
      beganMs,
      endedMs: clock.monotonicMs(),
      failures: isOk || isFailure(answer) ? failures : [...failures, answer],
    });
    return push;
  }

  #parts(number: number): NewPart[] {
    const { streams, streamsPerPush, linesPerPush } = this.#options;
    const count = Math.max(1, Math.floor(linesPerPush / streamsPerPush));
    return Array.from({ length: streamsPerPush }, (_, i) => ({
      stream: (number * streamsPerPush + i) % streams,
      count,
    }));
  }

  #refusedParts(): NewPart[] {
    const { streams, refusedAgeMs } = this.#options;
    const firstNs = this.#deps.clock.nowNs() - BigInt(refusedAgeMs) * nsPerMs;
    return [{ stream: streams, count: 1, firstNs }];
  }

  #body(push: LedgerPush): string {
    const { ledger, labels } = this.#deps;
    const streams = push.parts.map((part) => ({
      stream: labels(part.stream),
      values: Array.from({ length: part.count }, (_, i) => {
        const n = part.from + i;
        return [String(timeOf(part, n)), ledgerLine(ledger, part.stream, n)];
      }),
    }));
    return JSON.stringify({ streams });
  }
}

/** A refusal does not settle an earlier attempt without an answer. */
function outcomeOf(answer: Answer, failures: readonly Answer[]): Exclude<Outcome, 'pending'> {
  if (answer.status >= 200 && answer.status < 300) return 'acked';
  const attempts = isFailure(answer) ? failures : [...failures, answer];
  return attempts.every(({ status }) => status >= 400 && status < 500) ? 'rejected' : 'unknown';
}
