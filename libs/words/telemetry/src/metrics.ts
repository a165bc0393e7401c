/** The registry of a process's metrics. */
import { Counter, Gauge, Histogram, Registry, Summary } from 'prom-client';
import { LabelledHistogram } from './histogram.ts';
import { expositionFor, openMetricsText } from './open-metrics.ts';

/** Loki's own prefix: names in this library are written with it in full, so that they can be searched for. */
const lokiPrefix = 'loki_';

/**
 * The home of all metrics of a process. Components define theirs in files of this library, each once, under
 * Loki's names; a definition asked for twice is the same metric.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly #prefix: string;

  /** @param namespace `metrics_namespace`: what stands before the first underscore instead of `loki` */
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

  /** For what is counted on each request: see LabelledHistogram. */
  fastHistogram(name: string, help: string, buckets: readonly number[]): LabelledHistogram {
    const full = this.#name(name);
    const existing = this.registry.getSingleMetric(full) as unknown as LabelledHistogram | undefined;
    if (existing) return existing;
    const histogram = new LabelledHistogram(full, help, buckets);
    // The registry asks its metrics for name and get() alone; its types say more.
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

/** `start`, `start·factor`, …: as many as `count`. */
export function exponentialBuckets(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * factor ** i);
}
