/** The registry of a process's metrics. */
import { Counter, Gauge, Histogram, Registry, Summary } from 'prom-client';
import { LabelledHistogram } from './histogram.ts';
import { expositionFor, openMetricsText } from './open-metrics.ts';

/** Loki's own prefix: this library writes names with it in full, so that they can be searched for. */
const lokiPrefix = 'loki_';

/** One series of a metric. */
interface MetricSeries {
  readonly labels: Partial<Record<string, string | number>>;
  readonly value: number;
}

/**
 * The registry of all metrics of a process. Files of this library define the metrics of each component under
 * Loki's names. A repeated definition returns the same metric.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly #prefix: string;

  /** @param namespace `metrics_namespace`: the prefix of names instead of `loki` */
  constructor(namespace = 'loki') {
    this.#prefix = `${namespace}_`;
  }

  counter<T extends string>(name: string, help: string, labelNames: readonly T[] = []): Counter<T> {
    const full = this.#name(name);
    return (
      (this.registry.getSingleMetric(full) as Counter<T> | undefined) ??
      new Counter({ name: full, help, labelNames: [...labelNames], registers: [this.registry] })
    );
  }

  gauge<T extends string>(
    name: string,
    help: string,
    labelNames: readonly T[] = [],
    collect?: (gauge: Gauge<T>) => void,
  ): Gauge<T> {
    const full = this.#name(name);
    const existing = this.registry.getSingleMetric(full) as Gauge<T> | undefined;
    if (existing) return existing;
    return new Gauge({
      name: full,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      ...(collect === undefined
        ? {}
        : {
            collect(this: Gauge<T>) {
              collect(this);
            },
          }),
    });
  }

  histogram<T extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly T[] = [],
  ): Histogram<T> {
    const full = this.#name(name);
    return (
      (this.registry.getSingleMetric(full) as Histogram<T> | undefined) ??
      new Histogram({
        name: full,
        help,
        buckets: [...buckets],
        labelNames: [...labelNames],
        registers: [this.registry],
      })
    );
  }

  /** A histogram for hot paths, see LabelledHistogram. */
  fastHistogram(name: string, help: string, buckets: readonly number[]): LabelledHistogram {
    const full = this.#name(name);
    const existing = this.registry.getSingleMetric(full) as unknown as LabelledHistogram | undefined;
    if (existing) return existing;
    const histogram = new LabelledHistogram(full, help, buckets);
    // The registry uses only name and get() of a metric, but its type requires more.
    this.registry.registerMetric(histogram as unknown as Histogram);
    return histogram;
  }

  summary<T extends string>(
    name: string,
    help: string,
    percentiles: readonly number[],
    labelNames: readonly T[] = [],
  ): Summary<T> {
    const full = this.#name(name);
    return (
      (this.registry.getSingleMetric(full) as Summary<T> | undefined) ??
      new Summary({
        name: full,
        help,
        percentiles: [...percentiles],
        maxAgeSeconds: 60,
        ageBuckets: 6,
        labelNames: [...labelNames],
        registers: [this.registry],
      })
    );
  }

  /** The series of a counter or gauge; none when no component of this process has it. */
  async series(name: string): Promise<readonly MetricSeries[]> {
    const metric = this.registry.getSingleMetric(this.#name(name)) as Counter | Gauge | undefined;
    return metric ? (await metric.get()).values : [];
  }

  /** The exposition in Prometheus' text format. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  /** The exposition that a scrape's `Accept` header asks for. */
  async scrape(accept = ''): Promise<{ readonly contentType: string; readonly text: string }> {
    const { contentType, isOpenMetrics } = expositionFor(accept);
    const text = await this.text();
    return { contentType, text: isOpenMetrics ? openMetricsText(text) : text };
  }

  #name(name: string): string {
    return name.startsWith(lokiPrefix) ? this.#prefix + name.slice(lokiPrefix.length) : name;
  }
}

/** `count` buckets: `start`, `start·factor`, …. */
export function exponentialBuckets(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * factor ** i);
}
