/** Metrics of the canary. */
import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** Events of the canary; each method counts one, or the number that it is given. */
export interface CanaryMetrics {
  written(): void;
  outOfOrder(): void;
  webSocketMissing(entries: number): void;
  missing(entries: number): void;
  unexpected(): void;
  duplicate(): void;
  /** Time from writing a line to its arrival on the websocket. */
  responded(seconds: number): void;
  reconnected(): void;
  pinged(): void;
  spotChecked(isMissing: boolean, seconds: number): void;
  metricTested(test: { readonly expected: number; readonly actual: number; readonly seconds: number }): void;
  /** Outcome of the two queries, and whether their answers differ. */
  cacheTested(status: 'success' | 'failure', differs: boolean): void;
}

/** The canary's metrics, under the names of Loki's canary. */
export function canaryMetrics(metrics: Metrics, buckets: number): CanaryMetrics {
  const counter = (name: string, help: string) => metrics.counter(`loki_canary_${name}`, help);
  const entries = counter('entries_total', 'Lines written.');
  const outOfOrder = counter('out_of_order_entries_total', 'Entries received before older ones.');
  const webSocketMissing = counter(
    'websocket_missing_entries_total',
    'Entries that the websocket never sent.',
  );
  const missing = counter('missing_entries_total', 'Entries that neither websocket nor query returned.');
  const unexpected = counter('unexpected_entries_total', 'Entries received that were not expected.');
  const duplicates = counter('duplicate_entries_total', 'Entries received more than once.');
  const latency = metrics.histogram(
    'loki_canary_response_latency_seconds',
    'From writing a line to receiving it.',
    exponentialBuckets(0.5, 2, buckets),
  );
  const reconnects = counter('ws_reconnects_total', 'Times the websocket was opened again.');
  const pings = counter('ws_pings_total', 'Pings received on the websocket.');
  const requestBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 60];
  const spots = counter('spot_check_entries_total', 'Old entries that were queried.');
  const spotsMissing = counter('spot_check_missing_entries_total', 'Old entries that were not returned.');
  const spotSeconds = metrics.histogram(
    'loki_canary_spot_check_request_duration_seconds',
    'Time of a spot check’s query.',
    requestBuckets,
  );
  const expected = metrics.gauge('loki_canary_metric_test_expected', 'Lines a count should have found.');
  const actual = metrics.gauge('loki_canary_metric_test_actual', 'Lines a count found.');
  const metricSeconds = metrics.histogram(
    'loki_canary_metric_test_request_duration_seconds',
    'Time of a metric test’s query.',
    requestBuckets,
  );
  const cacheTests = metrics.counter(
    'loki_canary_cache_test_query_results_total',
    'Queries that ran with and without the results cache.',
    ['status'],
  );
  const cacheDiffs = counter(
    'cache_test_query_results_diff_total',
    'Queries that were answered differently with and without the results cache.',
  );
  return {
    written: () => entries.inc(),
    outOfOrder: () => outOfOrder.inc(),
    webSocketMissing: (count) => webSocketMissing.inc(count),
    missing: (count) => missing.inc(count),
    unexpected: () => unexpected.inc(),
    duplicate: () => duplicates.inc(),
    responded: (seconds) => latency.observe(seconds),
    reconnected: () => reconnects.inc(),
    pinged: () => pings.inc(),
    spotChecked(isMissing, seconds) {
      spots.inc();
      if (isMissing) spotsMissing.inc();
      spotSeconds.observe(seconds);
    },
    metricTested(test) {
      expected.set(test.expected);
      actual.set(test.actual);
      metricSeconds.observe(test.seconds);
    },
    cacheTested(status, differs) {
      cacheTests.inc({ status });
      if (differs) cacheDiffs.inc();
    },
  };
}
