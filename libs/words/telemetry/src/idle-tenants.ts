import { Counter, Gauge } from 'prom-client';
import { nextTurn } from '@loki/ports';
import type { Clock, Timers } from '@loki/ports';
import type { Metrics } from './metrics.ts';

/** Labels that name a tenant; Loki has both. */
const tenantLabels = ['tenant', 'user'];

/** The series of one tenant as the last sweep saw them. */
interface Seen {
  readonly sum: number;
  /** When the sum was another one. */
  readonly movedMs: number;
}

/** A series of a metric: its labels and its value. */
interface Series {
  readonly labels: Record<string, string | number>;
  readonly value: number;
}

type TenantMetric = Counter | Gauge;

/** How often, relative to the idle time, series are looked through. */
const sweepsPerIdleTime = 4;

/**
 * Forgets the series of tenants that were idle for a while: any client that may name tenants makes a dozen
 * series for each, and each series costs memory and a line of every scrape. A tenant who comes again is
 * counted from zero, as after a restart. A gauge that is not zero stays: it says what is held.
 */
export class IdleTenants {
  readonly #metrics: Metrics;
  readonly #idleMs: number;
  #seen = new Map<string, Seen>();

  constructor(metrics: Metrics, { idleMs }: { readonly idleMs: number }) {
    this.#metrics = metrics;
    this.#idleMs = idleMs;
  }

  /** Sweeps until the signal aborts. */
  async run(
    { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      await timers.sleep(this.#idleMs / sweepsPerIdleTime, signal).catch(() => undefined);
      if (!signal.aborted) await this.sweep(clock.monotonicMs(), () => nextTurn(timers));
    }
  }

  /**
   * Looks through all series, a metric at a time.
   *
   * @param pause lets others have the thread; awaited after each metric
   * @returns tenants that were forgotten
   */
  async sweep(nowMs: number, pause: () => Promise<void>): Promise<number> {
    const sums = new Map<string, number>();
    for (const [metric, label] of this.#tenantMetrics()) {
      for (const { labels, value } of await seriesOf(metric)) {
        const tenant = String(labels[label]);
        sums.set(tenant, (sums.get(tenant) ?? 0) + value);
      }
      await pause();
    }
    const seen = new Map<string, Seen>();
    const idle = new Set<string>();
    for (const [tenant, sum] of sums) {
      const before = this.#seen.get(tenant);
      const movedMs = before?.sum === sum ? before.movedMs : nowMs;
      if (nowMs - movedMs >= this.#idleMs) idle.add(tenant);
      else seen.set(tenant, { sum, movedMs });
    }
    this.#seen = seen;
    if (idle.size === 0) return 0;
    for (const [metric, label] of this.#tenantMetrics()) {
      for (const { labels, value } of await seriesOf(metric)) {
        if (!idle.has(String(labels[label]))) continue;
        if (metric instanceof Counter || value === 0) metric.remove(labels);
      }
      await pause();
    }
    return idle.size;
  }

  #tenantMetrics(): (readonly [metric: TenantMetric, label: string])[] {
    return this.#metrics.registry.getMetricsAsArray().flatMap((metric: unknown) => {
      if (!(metric instanceof Counter || metric instanceof Gauge)) return [];
      const { labelNames } = metric as unknown as { readonly labelNames: readonly string[] };
      const label = tenantLabels.find((name) => labelNames.includes(name));
      return label === undefined ? [] : [[metric, label] as const];
    });
  }
}

async function seriesOf(metric: TenantMetric): Promise<readonly Series[]> {
  const { values } = await metric.get();
  return values as readonly Series[];
}
