/** Loki's canary: writes lines, follows them and compares. */
import type { Clock, Logger, Random, Timers } from '@loki/ports';
import type { CanaryMetrics } from '@loki/telemetry';
import { canaryLine, timeOfLine } from './canary-lines.ts';
import { cacheTest, findEntries, metricTest, SpotCheck } from './canary-tests.ts';
import type { CanaryTestDeps } from './canary-tests.ts';
import { Comparator } from './comparator.ts';
import type { LokiClient } from './loki-client.ts';
import { labelsOf, selectorOf } from './options.ts';
import type { CanaryOptions } from './options.ts';

/** Follows a query; resolves when the connection ends. The caller opens it again. */
export interface Follow {
  (
    query: string,
    on: { readonly line: (line: string) => void; readonly ping: () => void },
    signal: AbortSignal,
  ): Promise<void>;
}

interface CanaryDeps {
  readonly client: LokiClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: CanaryMetrics;
  readonly follow: Follow;
  /** Prints a line, for an agent to send to Loki. */
  readonly print: (line: string) => void;
}

/** Bound on waiting pushes; above it lines are skipped, and will be reported as missing. */
const batchesMax = 64;
const reconnectMs = 1_000;

interface Written {
  readonly ns: bigint;
  readonly line: string;
}

/**
 * Writes a line at each interval, follows its own lines, and reports late, missing, duplicate and disordered
 * lines.
 */
export class Canary {
  readonly #deps: CanaryDeps;
  readonly #options: CanaryOptions;
  readonly #comparator: Comparator;
  readonly #spots: SpotCheck;
  readonly #tests: CanaryTestDeps;
  readonly #selector: string;
  readonly #stop = new AbortController();
  readonly #beganMs: number;
  #batch: Written[] = [];
  #pushing = 0;
  #pushed: Promise<void> = Promise.resolve();
  #lastNs = 0n;
  #isSuspended = false;

  constructor(deps: CanaryDeps, options: CanaryOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#beganMs = deps.clock.monotonicMs();
    this.#selector = selectorOf(labelsOf(options));
    const query = `${this.#selector}${options['query-append']}`;
    this.#tests = { ...deps, query };
    this.#comparator = new Comparator(deps.metrics, {
      waitNs: nsOf(options.wait),
      maxWaitNs: nsOf(options['max-wait']),
    });
    this.#spots = new SpotCheck(this.#tests, {
      intervalNs: nsOf(options['spot-check-interval']),
      maxNs: nsOf(options['spot-check-max']),
      initialWaitNs: nsOf(options['spot-check-initial-wait']),
    });
  }

  /** Runs until `stop`. */
  async run(): Promise<void> {
    const options = this.#options;
    const { clock } = this.#deps;
    await Promise.all([
      this.#follow(),
      this.#every(options.interval, async () => this.#write()),
      this.#every(options.pruneinterval, () =>
        this.#comparator.prune(clock.nowNs(), (fromNs, toNs) => findEntries(this.#tests, fromNs, toNs)),
      ),
      this.#every(options['spot-check-query-rate'], () => this.#spots.check()),
      this.#every(options['metric-test-interval'], () =>
        metricTest(this.#tests, {
          rangeMs: options['metric-test-range'],
          intervalMs: options.interval,
          ageMs: clock.monotonicMs() - this.#beganMs,
        }),
      ),
      this.#every(options['cache-test-interval'], () =>
        cacheTest(this.#tests, {
          rangeMs: options['cache-test-range'],
          backMs: options['cache-test-now'],
        }),
      ),
    ]);
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Writes nothing until `resume`; lines that were written before are still expected. */
  suspend(): void {
    this.#isSuspended = true;
  }

  resume(): void {
    this.#isSuspended = false;
  }

  #write(): void {
    if (this.#isSuspended) return;
    const { clock, random, print } = this.#deps;
    const { size, push } = this.#options;
    const nowNs = clock.nowNs();
    // No two lines share a time, even if the clock stops or goes back.
    let ns = (this.#lastNs = nowNs > this.#lastNs ? nowNs : this.#lastNs + 1n);
    if (random.float() * 100 < this.#options['out-of-order-percentage']) {
      const min = this.#options['out-of-order-min'];
      const max = Math.max(min, this.#options['out-of-order-max']);
      ns -= nsOf(min + random.float() * (max - min));
    }
    const line = canaryLine(ns, size);
    this.#comparator.written(ns);
    this.#spots.written(ns);
    if (!push) {
      print(line);
      return;
    }
    this.#batch.push({ ns, line });
    const bytes = this.#batch.length * size;
    if (
      this.#batch.length < this.#options['logs-batch-size'] &&
      bytes < this.#options['logs-batch-size-max']
    ) {
      return;
    }
    const batch = this.#batch;
    this.#batch = [];
    if (this.#pushing >= batchesMax) {
      this.#deps.logger.warn('too many unanswered pushes: lines are skipped', {
        lines: batch.length,
      });
      return;
    }
    this.#pushing += 1;
    // Pushes are sequential: parallel ones could arrive out of order.
    this.#pushed = this.#pushed.then(() => this.#push(batch)).finally(() => (this.#pushing -= 1));
  }

  async #push(batch: readonly Written[]): Promise<void> {
    const { client, timers, logger } = this.#deps;
    const stream = labelsOf(this.#options);
    const values = batch.map(({ ns, line }) => [String(ns), line]);
    const body = JSON.stringify({ streams: [{ stream, values }] });
    const attemptsMax = Math.max(1, this.#options['write-max-retries']);
    let pauseMs = this.#options['write-min-backoff'];
    for (let attempt = 1; ; attempt++) {
      const { status, text } = await client.push(body);
      if (status >= 200 && status < 300) return;
      const isFinal = attempt >= attemptsMax || (status >= 400 && status < 500 && status !== 429);
      logger.warn('a push failed', { status, err: text.slice(0, 200), final: isFinal });
      if (isFinal || this.#stop.signal.aborted) return;
      await timers.sleep(pauseMs, this.#stop.signal).catch(() => undefined); // stopped: one more attempt
      pauseMs = Math.min(2 * pauseMs, this.#options['write-max-backoff']);
    }
  }

  async #follow(): Promise<void> {
    const { follow, metrics, timers, logger, clock } = this.#deps;
    const { signal } = this.#stop;
    const on = {
      line: (line: string): void => {
        const ns = timeOfLine(line);
        if (ns !== undefined) this.#comparator.received(ns, clock.nowNs());
      },
      ping: () => metrics.pinged(),
    };
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      if (!isFirst) {
        await timers.sleep(reconnectMs, signal).catch(() => undefined); // stopped
        if (signal.aborted) return;
        metrics.reconnected();
      }
      await follow(this.#tests.query, on, signal).catch((error: unknown) => {
        if (!signal.aborted) logger.warn('the websocket ended', { err: String(error) });
      });
    }
  }

  async #every(periodMs: number, work: () => Promise<void>): Promise<void> {
    const { timers, clock, logger } = this.#deps;
    const { signal } = this.#stop;
    let nextMs = clock.monotonicMs() + periodMs;
    for (;;) {
      const waitMs = Math.max(0, nextMs - clock.monotonicMs());
      await timers.sleep(waitMs, signal).catch(() => undefined); // stopped
      if (signal.aborted) return;
      nextMs = Math.max(nextMs, clock.monotonicMs() - periodMs) + periodMs;
      await work().catch((error: unknown) => logger.warn('a test failed', { err: String(error) }));
    }
  }
}

function nsOf(ms: number): bigint {
  return BigInt(Math.round(ms * 1e6));
}
