/** Turns the results of rules into series for Prometheus: recorded samples, `ALERTS`, ends of series. */
import type { LabelPair } from '@loki/model';
import type { Alert } from './alert-rule.ts';
import { labelsKey, RuleError, RuleLimitError, withLabels } from './evaluate.ts';
import type { RuleSample } from './evaluate.ts';
import type { Rule } from './rule-group.ts';

/** One sample for a metrics store. */
export interface SeriesSample {
  /** Sorted by name, `__name__` among them. */
  readonly labels: readonly LabelPair[];
  readonly timestampMs: number;
  /** undefined: the series ends here (Prometheus' staleness marker). */
  readonly value: number | undefined;
}

/**
 * The samples of a recording rule.
 *
 * @throws RuleError when two series become one; RuleLimitError when there are more series than allowed
 */
export function recordedSamples(
  rule: Rule,
  samples: readonly RuleSample[],
  { nowMs, limit }: { readonly nowMs: number; readonly limit: number },
): SeriesSample[] {
  const keys = new Set<string>();
  const recorded = samples.map(({ labels, value }): SeriesSample => {
    const own = withLabels(labels, rule.labels, [['__name__', rule.name]]);
    const key = labelsKey(own);
    if (keys.has(key)) {
      throw new RuleError('vector contains metrics with the same labelset after applying rule labels');
    }
    keys.add(key);
    return { labels: own, timestampMs: nowMs, value };
  });
  if (limit > 0 && recorded.length > limit) {
    throw new RuleLimitError(`exceeded limit of ${limit} with ${recorded.length} series`);
  }
  return recorded;
}

/** Prometheus' series about alerts, `ALERTS` and `ALERTS_FOR_STATE`. */
export function alertSeries(rule: Rule, alerts: Iterable<Alert>, nowMs: number): SeriesSample[] {
  const samples: SeriesSample[] = [];
  for (const { state, labels, activeAtMs } of alerts) {
    if (state === 'inactive') continue;
    const name: LabelPair = ['alertname', rule.name];
    samples.push(
      {
        labels: withLabels(labels, [['__name__', 'ALERTS'], name, ['alertstate', state]]),
        timestampMs: nowMs,
        value: 1,
      },
      {
        labels: withLabels(labels, [['__name__', 'ALERTS_FOR_STATE'], name]),
        timestampMs: nowMs,
        value: Math.floor(activeAtMs / 1000),
      },
    );
  }
  return samples;
}

/** End markers for the series that have disappeared. */
export function staleSamples(
  before: ReadonlyMap<string, readonly LabelPair[]>,
  now: ReadonlyMap<string, readonly LabelPair[]>,
  nowMs: number,
): SeriesSample[] {
  const stale: SeriesSample[] = [];
  for (const [key, labels] of before) {
    if (!now.has(key)) stale.push({ labels, timestampMs: nowMs, value: undefined });
  }
  return stale;
}
