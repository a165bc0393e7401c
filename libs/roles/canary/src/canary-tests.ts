/** The canary's periodic tests: spot check, metric test, cache test. */
import { nsPerMs } from '@loki/model';
import type { Clock } from '@loki/ports';
import type { CanaryMetrics } from '@loki/telemetry';
import { timeOfLine } from './canary-lines.ts';
import { entriesOf, valueOf } from './loki-client.ts';
import type { LokiClient } from './loki-client.ts';

export interface CanaryTestDeps {
  readonly client: LokiClient;
  readonly clock: Clock;
  readonly metrics: CanaryMetrics;
  /** Selector; stages are appended to it. */
  readonly query: string;
}

/** Entries that one query may return; Loki's own limit. */
const entriesMax = 5_000;

/**
 * Times of the canary's lines in [fromNs, toNs], read page by page.
 *
 * @throws when Loki answers with an error
 */
export async function findEntries(
  { client, query }: Pick<CanaryTestDeps, 'client' | 'query'>,
  fromNs: bigint,
  toNs: bigint,
): Promise<Set<bigint>> {
  const times = new Set<bigint>();
  for (let start = fromNs; ;) {
    const { status, text } = await client.get('/loki/api/v1/query_range', {
      query,
      start: String(start),
      end: String(toNs + 1n),
      limit: String(entriesMax),
      direction: 'forward',
    });
    if (status !== 200) throw new Error(`query: ${status} ${text.slice(0, 200)}`);
    const entries = entriesOf(text);
    for (const { line } of entries) {
      const ns = timeOfLine(line);
      if (ns !== undefined) times.add(ns);
    }
    if (entries.length < entriesMax) return times;
    // A line's time is its entry's, and no two lines of the canary share one.
    start = entries.reduce((last, { ns }) => (ns > last ? ns : last), start) + 1n;
  }
}

interface SpotCheckOptions {
  readonly intervalNs: bigint;
  readonly maxNs: bigint;
  readonly initialWaitNs: bigint;
}

/** Picks a line from time to time, and queries it repeatedly for hours. */
export class SpotCheck {
  readonly #deps: CanaryTestDeps;
  readonly #options: SpotCheckOptions;
  readonly #spots: bigint[] = [];

  constructor(deps: CanaryTestDeps, options: SpotCheckOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  written(ns: bigint): void {
    const last = this.#spots.at(-1);
    if (last === undefined || ns - last >= this.#options.intervalNs) this.#spots.push(ns);
  }

  async check(): Promise<void> {
    const { clock, metrics } = this.#deps;
    const { maxNs, initialWaitNs } = this.#options;
    const nowNs = clock.nowNs();
    while (this.#spots.length > 0 && nowNs - this.#spots[0] > maxNs) this.#spots.shift();
    for (const ns of this.#spots) {
      if (nowNs - ns < initialWaitNs) continue;
      const beganMs = clock.monotonicMs();
      try {
        const matches = await findEntries(this.#deps, ns, ns);
        metrics.spotChecked(!matches.has(ns), (clock.monotonicMs() - beganMs) / 1000);
      } catch {
        // Queried again in the next round: a failed query proves nothing about the entry.
      }
    }
  }
}

/** Compares a count over the last hours with the number of lines that were written. */
export async function metricTest(
  { client, clock, metrics, query }: CanaryTestDeps,
  { rangeMs, intervalMs, ageMs }: { rangeMs: number; intervalMs: number; ageMs: number },
): Promise<void> {
  const actualRangeMs = Math.max(intervalMs, Math.min(rangeMs, ageMs));
  const beganMs = clock.monotonicMs();
  const { status, text } = await client.get('/loki/api/v1/query', {
    query: `sum(count_over_time(${query}[${Math.round(actualRangeMs)}ms]))`,
    time: String(clock.nowNs()),
  });
  if (status !== 200) throw new Error(`metric test: ${status} ${text.slice(0, 200)}`);
  const seconds = (clock.monotonicMs() - beganMs) / 1000;
  metrics.metricTested({ expected: Math.round(actualRangeMs / intervalMs), actual: valueOf(text), seconds });
}

/** Compares the same count with and without the results cache. */
export async function cacheTest(
  { client, clock, metrics, query }: CanaryTestDeps,
  { rangeMs, backMs }: { rangeMs: number; backMs: number },
): Promise<void> {
  const request = {
    query: `sum(count_over_time(${query}[${Math.round(rangeMs)}ms]))`,
    time: String(clock.nowNs() - BigInt(Math.round(backMs)) * nsPerMs),
  };
  const cached = await client.get('/loki/api/v1/query', request);
  const fresh = await client.get('/loki/api/v1/query', request, { headers: { 'cache-control': 'no-cache' } });
  if (cached.status !== 200 || fresh.status !== 200) {
    metrics.cacheTested('failure', false);
    return;
  }
  metrics.cacheTested('success', valueOf(cached.text) !== valueOf(fresh.text));
}
