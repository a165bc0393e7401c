/** Removes metric series of idle tenants, so that clients cannot grow the registry without bound. */
import { Counter, Gauge } from 'prom-client';
import { nextTurn } from '@loki/ports';
import type { Clock, Timers } from '@loki/ports';
import type { Metrics } from './metrics.ts';

/** Labels that name a tenant; Loki has both. */
const tenantLabels = ['tenant', 'user'];

/** The sum of a tenant's series at the last sweep. */
interface TenantSum {
  readonly sum: number;
  /** The last time at which the sum changed. */
  readonly movedMs: number;
}

/** A series of a metric: its labels and its value. */
interface Series {
  readonly labels: Record<string, string | number>;
  readonly value: number;
}

type TenantMetric = Counter | Gauge;

/** Sweeps within one idle time. */
const sweepsPerIdleTime = 4;

/**
 * Drops the series of idle tenants: a client that may choose tenants creates a dozen
 * series for each, and each series costs memory and a line of every scrape. A tenant that returns is counted
 * from zero, as after a restart. A gauge that is not zero stays, because it shows something that still
 * exists.
 */
export class IdleTenants {
  readonly #metrics: Metrics;
  readonly #idleMs: number;
  #lastSums = new Map<string, TenantSum>();

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
   * @param pause lets other work run; awaited after each metric
   * @returns the number of dropped tenants
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
    const nextSums = new Map<string, TenantSum>();
    const idle = new Set<string>();
    for (const [tenant, sum] of sums) {
      const previous = this.#lastSums.get(tenant);
      const movedMs = previous?.sum === sum ? previous.movedMs : nowMs;
      if (nowMs - movedMs >= this.#idleMs) idle.add(tenant);
      else nextSums.set(tenant, { sum, movedMs });
    }
    this.#lastSums = nextSums;
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
