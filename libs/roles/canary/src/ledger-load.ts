import { nsPerMs } from '@loki/model';
import type { Clock, Random, Timers } from '@loki/ports';
import { ledgerLine } from './ledger-lines.ts';
import { timeOf } from './ledger.ts';
import type { Ledger, LedgerPush, NewPart, Outcome } from './ledger.ts';
import { isFailure } from './loki-client.ts';
import type { Answer, LokiClient } from './loki-client.ts';

interface LoadOptions {
  /** Streams that take lines in turn; the one after the last takes what must be refused. */
  readonly streams: number;
  readonly streamsPerPush: number;
  readonly linesPerPush: number;
  readonly clients: number;
  /** All clients together. */
  readonly linesPerSecond: number;
  /** Of so many pushes one is too old to be taken; 0: none. */
  readonly refusedEvery: number;
  /** How far in the past refused lines lie. */
  readonly refusedAgeMs: number;
  /** Attempts before a push has failed. */
  readonly attemptsMax: number;
}

/** One request with all its attempts. */
export interface Told {
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
  readonly onTold: (told: Told) => void;
}

/** Clients that push numbered lines at a steady rate, each line on the ledger before it is sent. */
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

  /** Resolves when the last push has its answer; rejects when a client could not go on. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  /** Rejects as soon as a client cannot go on: the ledger's disk is full, say. */
  async failed(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #run(): Promise<void> {
    const { clock, timers, random } = this.#deps;
    const { clients, linesPerPush, linesPerSecond } = this.#options;
    const periodMs = (1000 * linesPerPush * clients) / linesPerSecond;
    // Clients do not push all at once.
    let nextMs = clock.monotonicMs() + random.float() * periodMs;
    while (!this.#stop.signal.aborted) {
      const waitMs = nextMs - clock.monotonicMs();
      if (waitMs > 0) await timers.sleep(waitMs, this.#stop.signal).catch(() => undefined); // stopped
      if (this.#stop.signal.aborted) return;
      // Ticks that were missed while the server did not answer are not made up for.
      nextMs = Math.max(nextMs, clock.monotonicMs()) + periodMs;
      await this.pushOnce();
    }
  }

  /** One push with its repeats. */
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
    this.#deps.onTold({
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

/** A refusal says nothing of an attempt before it that nobody answered. */
function outcomeOf(answer: Answer, failures: readonly Answer[]): Exclude<Outcome, 'pending'> {
  if (answer.status >= 200 && answer.status < 300) return 'acked';
  const attempts = isFailure(answer) ? failures : [...failures, answer];
  return attempts.every(({ status }) => status >= 400 && status < 500) ? 'rejected' : 'unknown';
}
