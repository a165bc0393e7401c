/** Queries during the load of a ledger run: each answer is compared with the lines acknowledged so far. */
import { nsPerMs } from '@loki/model';
import type { Clock, Random, Timers } from '@loki/ports';
import { compare, example, noFindings } from './ledger-judge.ts';
import type { Findings, StreamSelector } from './ledger-judge.ts';
import type { RequestOutcome } from './ledger-load.ts';
import { timeOf } from './ledger.ts';
import type { Ledger, LedgerPart } from './ledger.ts';
import { entriesOf, valueOf } from './loki-client.ts';
import type { LokiClient } from './loki-client.ts';

interface ChecksOptions {
  readonly clients: number;
  /** Total over all clients. */
  readonly queriesPerSecond: number;
  /** Number of streams to query. */
  readonly streams: number;
  /** Attempts after which a query counts as failed. */
  readonly attemptsMax: number;
  /** Most parts of a stream in one query; their entries must fit into one page. */
  readonly partsMax: number;
}

interface ChecksDeps {
  readonly ledger: Ledger;
  readonly client: LokiClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly selector: StreamSelector;
  readonly onOutcome: (outcome: RequestOutcome) => void;
}

/**
 * Queries during the load: a successful answer must contain every line that was acknowledged before the
 * query, once. Log queries are compared line by line, counts as numbers.
 */
export class LedgerChecks {
  /** Lines that successful answers lacked or repeated. */
  readonly findings: Findings = noFindings();
  readonly #deps: ChecksDeps;
  readonly #options: ChecksOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];

  constructor(deps: ChecksDeps, options: ChecksOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  start(): void {
    for (let client = 0; client < this.#options.clients; client++) this.#running.push(this.#run());
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #run(): Promise<void> {
    const { timers, random } = this.#deps;
    const periodMs = (1000 * this.#options.clients) / this.#options.queriesPerSecond;
    while (!this.#stop.signal.aborted) {
      // The sleep rejects when the canary stops.
      await timers.sleep(periodMs * (0.5 + random.float()), this.#stop.signal).catch(() => undefined);
      if (!this.#stop.signal.aborted) await this.checkOnce();
    }
  }

  /** Queries a random stretch of one stream, mostly its newest part. */
  async checkOnce(): Promise<void> {
    const { ledger, random } = this.#deps;
    const id = Math.floor(random.float() * this.#options.streams);
    const all = ledger.streams.get(id)?.parts ?? [];
    if (all.length === 0) return;
    const isNewest = random.float() < 0.6;
    const end = isNewest ? all.length : 1 + Math.floor(random.float() * all.length);
    const count = 1 + Math.floor(random.float() * this.#options.partsMax);
    const parts = all.slice(Math.max(0, end - count), end);
    await (random.float() < 0.5 ? this.#checkLines(id, parts) : this.#checkCount(id, parts));
  }

  async #checkLines(id: number, parts: readonly LedgerPart[]): Promise<void> {
    const { ledger, selector } = this.#deps;
    const acked = new Set(parts.filter(({ push }) => push.outcome === 'acked'));
    const { startNs, endNs } = spanOf(parts);
    const lines = parts.reduce((sum, { count }) => sum + count, 0);
    const text = await this.#ask('/loki/api/v1/query_range', {
      query: selector(id),
      start: String(startNs),
      end: String(endNs),
      // One more entry than expected reveals a foreign line.
      limit: String(lines + 1),
      direction: 'forward',
    });
    if (text !== undefined) compare({ stream: id, parts, acked }, entriesOf(text), ledger, this.findings);
  }

  async #checkCount(id: number, parts: readonly LedgerPart[]): Promise<void> {
    const ackedBefore = linesOf(parts, ({ push }) => push.outcome === 'acked');
    const { startNs, endNs } = spanOf(parts);
    // A metric range excludes its start, includes its end, and has whole milliseconds.
    const rangeMs = (endNs - startNs) / nsPerMs + 1n;
    const timeNs = endNs - 1n;
    const around = this.#deps.ledger.streams.get(id)!.parts;
    const text = await this.#ask('/loki/api/v1/query', {
      query: `sum(count_over_time(${this.#deps.selector(id)}[${rangeMs}ms]))`,
      time: String(timeNs),
    });
    if (text === undefined) return;
    const count = valueOf(text);
    // The range is up to one millisecond too long, which may reach into the previous part.
    const most = around.reduce((sum, part) => sum + linesWithin(part, timeNs - rangeMs * nsPerMs, timeNs), 0);
    if (count < ackedBefore) {
      this.findings.lost += ackedBefore - count;
      example(
        this.findings,
        `count too low: stream ${id}: ${count} of ${ackedBefore} up to ${timeNs} in ${rangeMs} ms`,
      );
    }
    if (count > most) {
      this.findings.doubled += count - most;
      example(
        this.findings,
        `count too high: stream ${id}: ${count}, ${most} were sent, up to ${timeNs} in ${rangeMs} ms`,
      );
    }
  }

  /** The answer's text; undefined: an error, which has been reported. */
  async #ask(path: string, query: Readonly<Record<string, string>>): Promise<string | undefined> {
    const { client, clock } = this.#deps;
    const beganMs = clock.monotonicMs();
    const { answer, failures } = await client.withRetry(
      (address) => client.get(path, query, { address }),
      this.#options.attemptsMax,
    );
    const isOk = answer.status === 200;
    this.#deps.onOutcome({
      kind: 'query',
      isOk,
      beganMs,
      endedMs: clock.monotonicMs(),
      failures: isOk || failures.includes(answer) ? failures : [...failures, answer],
    });
    return isOk ? answer.text : undefined;
  }
}

function spanOf(parts: readonly LedgerPart[]): { startNs: bigint; endNs: bigint } {
  const last = parts[parts.length - 1];
  return { startNs: parts[0].firstNs, endNs: timeOf(last, last.from + last.count) };
}

function linesOf(parts: readonly LedgerPart[], counts: (part: LedgerPart) => boolean): number {
  return parts.reduce((sum, part) => sum + (counts(part) ? part.count : 0), 0);
}

/** Lines of a part in (afterNs, upToNs], without parts that were certainly refused. */
function linesWithin(part: LedgerPart, afterNs: bigint, upToNs: bigint): number {
  if (part.push.outcome === 'rejected') return 0;
  let lines = 0;
  for (let n = part.from; n < part.from + part.count; n++) {
    const ns = timeOf(part, n);
    if (ns > afterNs && ns <= upToNs) lines += 1;
  }
  return lines;
}
