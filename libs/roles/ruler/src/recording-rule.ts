/** A recording rule: samples of a query become a series. */
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
 * The samples that a recording rule records.
 *
 * @throws RuleError when two series become one; RuleLimitError when there are more series than allowed
 */
export function recordedSamples(
  rule: Rule,
  samples: readonly RuleSample[],
  { nowMs, limit }: { readonly nowMs: number; readonly limit: number },
): SeriesSample[] {
  const seen = new Set<string>();
  const recorded = samples.map(({ labels, value }): SeriesSample => {
    const own = withLabels(labels, rule.labels, [['__name__', rule.name]]);
    const key = labelsKey(own);
    if (seen.has(key)) {
      throw new RuleError('vector contains metrics with the same labelset after applying rule labels');
    }
    seen.add(key);
    return { labels: own, timestampMs: nowMs, value };
  });
  if (limit > 0 && recorded.length > limit) {
    throw new RuleLimitError(`exceeded limit of ${limit} with ${recorded.length} series`);
  }
  return recorded;
}

/** The series that Prometheus keeps of alerts: which there are, and since when. */
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

/** Ends of the series that were there before and are not now. */
export function staleSamples(
  before: ReadonlyMap<string, readonly LabelPair[]>,
  now: ReadonlyMap<string, readonly LabelPair[]>,
  nowMs: number,
): SeriesSample[] {
  const ended: SeriesSample[] = [];
  for (const [key, labels] of before) {
    if (!now.has(key)) ended.push({ labels, timestampMs: nowMs, value: undefined });
  }
  return ended;
}
