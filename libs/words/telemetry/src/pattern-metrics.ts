/** Metrics of the pattern ingester. */
import type { Metrics } from './metrics.ts';

/** Events of the pattern ingester; each method updates the metrics of its event. */
export interface PatternMetrics {
  patternsDetected(tenant: string, count: number): void;
  /** Lines that were not examined. */
  linesSkipped(reason: 'busy' | 'no_pattern', lines: number): void;
  memory(bytes: number, streams: number): void;
}

/** The pattern ingester's counters under Loki's names. */
export function patternMetrics(metrics: Metrics): PatternMetrics {
  const detected = metrics.counter(
    'loki_pattern_ingester_patterns_detected_total',
    'Patterns found in log lines.',
    ['tenant'],
  );
  const skipped = metrics.counter(
    'loki_pattern_ingester_patterns_dropped_total',
    'Lines that no pattern was looked for in.',
    ['reason'],
  );
  const bytes = metrics.gauge('loki_pattern_ingester_memory_bytes', 'Memory of patterns, estimated.');
  const streams = metrics.gauge('loki_pattern_ingester_memory_streams', 'Streams with patterns in memory.');
  return {
    patternsDetected: (tenant: string, count: number) => detected.inc({ tenant }, count),
    linesSkipped: (reason: string, lines: number) => skipped.inc({ reason }, lines),
    memory: (memoryBytes: number, streamCount: number) => {
      bytes.set(memoryBytes);
      streams.set(streamCount);
    },
  };
}
