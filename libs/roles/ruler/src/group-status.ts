/**
 * The state of a rule group and its rules: the part that the API shows, and the part that is saved over a
 * restart.
 */
import type { LabelPair } from '@loki/model';
import { resumeAlerts } from './alert-rule.ts';
import type { Alert } from './alert-rule.ts';
import type { SavedAlerts } from './alert-state-store.ts';
import { labelsKey } from './evaluate.ts';
import type { PlacedGroup, Rule } from './rule-group.ts';

/** A rule with the results of its evaluations. */
export interface RuleStatus {
  readonly rule: Rule;
  health: 'unknown' | 'ok' | 'err';
  lastError: string;
  /** Unix milliseconds; undefined: never. */
  lastEvaluationMs: number | undefined;
  evaluationSeconds: number;
  alerts: ReadonlyMap<string, Alert>;
  /** Series of the last evaluation, to end those that disappear. */
  series: ReadonlyMap<string, readonly LabelPair[]>;
}

/** A group with the results of its evaluations. */
export interface GroupStatus {
  readonly placed: PlacedGroup;
  readonly rules: readonly RuleStatus[];
  readonly intervalMs: number;
  /** Unix milliseconds; undefined: never. */
  readonly lastEvaluationMs: number | undefined;
  readonly evaluationSeconds: number;
}

/** A group that another ruler evaluates, as that ruler saved it. */
export function savedGroup(
  placed: PlacedGroup,
  saved: SavedAlerts | undefined,
  evaluationIntervalMs: number,
): GroupStatus {
  const { group } = placed;
  const savedAlerts = new Pool(saved?.rules.map(({ identity, alerts }) => [identity, alerts]) ?? []);
  return {
    placed,
    rules: group.rules.map((rule) => {
      const alerts = rule.kind === 'alert' ? savedAlerts.take(identityOf(rule)) : undefined;
      return { ...freshStatus(rule), alerts: alertsByKey(alerts ?? []) };
    }),
    intervalMs: group.intervalMs || evaluationIntervalMs,
    lastEvaluationMs: saved?.evaluatedAtMs,
    evaluationSeconds: 0,
  };
}

/** Rules with the same name and labels are the same. */
export function identityOf(rule: Rule): string {
  return JSON.stringify([rule.kind, rule.name, rule.labels]);
}

/**
 * The part of an alert that must be saved: not its value, but the time it was last sent, so that a later
 * owner does not send it again.
 */
export function lastingPart({ labels, state, activeAtMs, keepFiringSinceMs, lastSentAtMs }: Alert): unknown {
  return [labels, state, activeAtMs, keepFiringSinceMs, lastSentAtMs];
}

function alertsByKey(alerts: readonly Alert[]): Map<string, Alert> {
  return new Map(alerts.map((alert) => [labelsKey(alert.labels), { ...alert }]));
}

export function freshStatus(rule: Rule): RuleStatus {
  return {
    rule,
    health: 'unknown',
    lastError: '',
    lastEvaluationMs: undefined,
    evaluationSeconds: 0,
    alerts: new Map(),
    series: new Map(),
  };
}

/** Values by name; several values may share a name, and each is taken once, in order. */
export class Pool<T> {
  readonly #things = new Map<string, T[]>();

  constructor(entries: Iterable<readonly [string, T]>) {
    for (const [name, thing] of entries) {
      const same = this.#things.get(name);
      if (same) same.push(thing);
      else this.#things.set(name, [thing]);
    }
  }

  take(name: string): T | undefined {
    return this.#things.get(name)?.shift();
  }
}

/** Gives rules their saved alerts: unchanged if no tick was missed since, else resumed after the gap. */
export function restoreAlerts(
  rules: readonly RuleStatus[],
  saved: SavedAlerts,
  { nowMs, intervalMs, gracePeriodMs }: { nowMs: number; intervalMs: number; gracePeriodMs: number },
): void {
  const hasMissed = nowMs - saved.evaluatedAtMs > intervalMs;
  const savedAlerts = new Pool(saved.rules.map(({ identity, alerts }) => [identity, alerts]));
  const times = { downAtMs: Math.min(saved.evaluatedAtMs, nowMs), nowMs, gracePeriodMs };
  for (const status of rules) {
    const alerts = savedAlerts.take(identityOf(status.rule));
    if (!alerts || status.rule.kind !== 'alert') continue;
    status.alerts = hasMissed ? resumeAlerts(status.rule, alerts, times) : alertsByKey(alerts);
  }
}
