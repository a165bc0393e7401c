/** States of the alerts of one rule: pending, firing, resolved. A step of the story of a rule. */
import type { LabelPair } from '@loki/model';
import { labelsKey, RuleError, RuleLimitError } from './evaluate.ts';
import type { RaisedAlert } from './expand-alerts.ts';
import type { Rule } from './rule-group.ts';

export type AlertState = 'pending' | 'firing' | 'inactive';

/**
 * One series for which an alert's condition holds or held recently. Times are Unix milliseconds; 0: never.
 */
export interface Alert {
  readonly labels: readonly LabelPair[];
  annotations: readonly LabelPair[];
  state: AlertState;
  value: number;
  /** Start of the condition. */
  activeAtMs: number;
  firedAtMs: number;
  resolvedAtMs: number;
  /** End of the condition, from which `keep_firing_for` runs. */
  keepFiringSinceMs: number;
  lastSentAtMs: number;
  /** Time at which Alertmanager drops the alert without a further message. */
  validUntilMs: number;
}

/** Alerts of one rule by `labelsKey`. */
type Alerts = ReadonlyMap<string, Alert>;

/** How long a resolved alert is sent repeatedly: one lost message must not keep it firing. */
export const resolvedRetentionMs = 15 * 60_000;

interface AlertContext {
  readonly nowMs: number;
  /** Limit of the group; 0: no limit. */
  readonly limit: number;
}

/**
 * The alerts of a rule after one evaluation.
 *
 * @throws RuleError when two series become one alert; RuleLimitError when there are more alerts than allowed
 */
export function nextAlerts(
  rule: Rule,
  before: Alerts,
  alerts: readonly RaisedAlert[],
  { nowMs, limit }: AlertContext,
): Map<string, Alert> {
  const raised = newAlerts(alerts, nowMs);
  const after = new Map<string, Alert>();
  for (const [key, alert] of raised) {
    const previous = before.get(key);
    const isKnown = previous !== undefined && previous.state !== 'inactive';
    after.set(
      key,
      isKnown
        ? { ...previous, value: alert.value, annotations: alert.annotations, keepFiringSinceMs: 0 }
        : alert,
    );
  }
  for (const [key, alert] of before) {
    if (after.has(key)) continue;
    const next = withoutCondition(alert, rule, nowMs);
    if (next) after.set(key, next);
  }
  let active = 0;
  for (const alert of after.values()) {
    if (alert.state === 'inactive') continue;
    active++;
    if (alert.state === 'pending' && nowMs - alert.activeAtMs >= rule.forMs) {
      alert.state = 'firing';
      alert.firedAtMs = nowMs;
    }
  }
  if (limit > 0 && active > limit) {
    throw new RuleLimitError(`exceeded limit of ${limit} with ${active} alerts`);
  }
  return after;
}

/** New alerts, from the evaluation alone. */
function newAlerts(alerts: readonly RaisedAlert[], nowMs: number): Map<string, Alert> {
  const raised = new Map<string, Alert>();
  for (const { labels, annotations, value } of alerts) {
    const key = labelsKey(labels);
    if (raised.has(key)) {
      throw new RuleError('vector contains metrics with the same labelset after applying alert labels');
    }
    raised.set(key, {
      labels,
      annotations,
      state: 'pending',
      value,
      activeAtMs: nowMs,
      firedAtMs: 0,
      resolvedAtMs: 0,
      keepFiringSinceMs: 0,
      lastSentAtMs: 0,
      validUntilMs: 0,
    });
  }
  return raised;
}

/** The next state of an alert whose condition does not hold; undefined: it is dropped. */
function withoutCondition(alert: Alert, rule: Rule, nowMs: number): Alert | undefined {
  if (alert.state === 'pending') return undefined;
  if (alert.state === 'inactive') return nowMs - alert.resolvedAtMs > resolvedRetentionMs ? undefined : alert;
  if (rule.keepFiringForMs > 0) {
    const keepFiringSinceMs = alert.keepFiringSinceMs || nowMs;
    if (nowMs - keepFiringSinceMs < rule.keepFiringForMs) return { ...alert, keepFiringSinceMs };
  }
  return { ...alert, state: 'inactive', resolvedAtMs: nowMs };
}

/** Alerts that are due to be sent to Alertmanager; marks them as sent. */
export function takeAlertsToSend(
  alerts: Iterable<Alert>,
  nowMs: number,
  { resendDelayMs, intervalMs }: { readonly resendDelayMs: number; readonly intervalMs: number },
): Alert[] {
  const due: Alert[] = [];
  for (const alert of alerts) {
    if (!needsSending(alert, nowMs, resendDelayMs)) continue;
    alert.lastSentAtMs = nowMs;
    // An alert ends after four missed messages: long enough for a restart, short enough for an alert whose
    // ruler never returns.
    alert.validUntilMs = nowMs + 4 * Math.max(resendDelayMs, intervalMs);
    due.push({ ...alert });
  }
  return due;
}

function needsSending(alert: Alert, nowMs: number, resendDelayMs: number): boolean {
  if (alert.state === 'pending') return false;
  if (alert.state === 'inactive' && alert.resolvedAtMs > alert.lastSentAtMs) return true;
  return alert.lastSentAtMs + resendDelayMs <= nowMs;
}

/** The worst state of a rule's alerts. */
export function ruleState(alerts: Iterable<Alert>): AlertState {
  let state: AlertState = 'inactive';
  for (const alert of alerts) {
    if (alert.state === 'firing') return 'firing';
    if (alert.state === 'pending') state = 'pending';
  }
  return state;
}

/**
 * Alerts after an outage from `downAtMs` to `nowMs`. For a pending alert the outage does not count towards
 * `for`, because its condition is unknown for that time; if its `for` exceeds the grace period, it waits at
 * least that long. A firing alert continues to fire.
 */
export function resumeAlerts(
  rule: Rule,
  alerts: Iterable<Alert>,
  times: { readonly downAtMs: number; readonly nowMs: number; readonly gracePeriodMs: number },
): Map<string, Alert> {
  const { downAtMs, nowMs, gracePeriodMs } = times;
  const resumed = new Map<string, Alert>();
  for (const alert of alerts) {
    const key = labelsKey(alert.labels);
    if (alert.state !== 'pending') {
      resumed.set(key, { ...alert });
      continue;
    }
    const restMs = rule.forMs - (downAtMs - alert.activeAtMs);
    let { activeAtMs } = alert;
    if (restMs > 0) {
      const graceMs = rule.forMs >= gracePeriodMs ? gracePeriodMs : 0;
      activeAtMs = restMs < graceMs ? nowMs + graceMs - rule.forMs : activeAtMs + (nowMs - downAtMs);
    }
    resumed.set(key, { ...alert, activeAtMs: Math.min(activeAtMs, nowMs) });
  }
  return resumed;
}
