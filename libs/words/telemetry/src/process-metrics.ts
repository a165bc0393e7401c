/** Metrics of the process itself: memory, CPU, garbage collection, event loop. */
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { collectDefaultMetrics } from 'prom-client';
import type { Metrics } from './metrics.ts';

/**
 * Registers the usual `process_` and `nodejs_` names, and the `go_` names that the dashboards of a Loki
 * installation ask for, with V8's figures.
 */
export function collectProcessMetrics(metrics: Metrics): void {
  collectDefaultMetrics({ register: metrics.registry });
  metrics.gauge('go_goroutines', 'Active resources of the event loop.', [], (gauge) =>
    gauge.set(process.getActiveResourcesInfo().length),
  );
  metrics.gauge('go_memstats_heap_inuse_bytes', 'Used heap of the main thread.', [], (gauge) =>
    gauge.set(getHeapStatistics().used_heap_size),
  );
  const pauses = metrics.summary(
    'go_gc_duration_seconds',
    'Pauses of the garbage collector of the main thread.',
    [0, 0.25, 0.5, 0.75, 1],
  );
  const cycles = metrics.counter(
    'go_gc_cycles_total_gc_cycles_total',
    'Runs of the garbage collector of the main thread.',
  );
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      pauses.observe(duration / 1000);
      cycles.inc();
    }
  }).observe({ entryTypes: ['gc'] });
}
