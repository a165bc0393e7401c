/** Protects the life of an alert: who is called at night, when, and when they may sleep again. */
import { nextAlerts, resolvedRetentionMs, resumeAlerts, ruleState, takeAlertsToSend } from './alert-rule.ts';
import type { Alert } from './alert-rule.ts';
import { RuleError, RuleLimitError } from './evaluate.ts';
import type { RuleSample } from './evaluate.ts';
import { expandAlerts } from './expand-alerts.ts';
import type { Rule } from './rule-group.ts';
import { groupOf, sample } from './test/world.ts';

const minute = 60_000;

function ruleOf(fields: string): Rule {
  return groupOf(`name: g\nrules:\n- alert: A\n  expr: vector(1)\n${fields}`).rules[0];
}

class Life {
  alerts = new Map<string, Alert>();
  readonly rule: Rule;
  readonly limit: number;

  constructor(fields = '', limit = 0) {
    this.rule = ruleOf(fields);
    this.limit = limit;
  }

  at(minutes: number, ...samples: RuleSample[]): string {
    const nowMs = minutes * minute;
    const raised = expandAlerts({
      rule: this.rule,
      samples,
      externalLabels: [['cluster', 'c1']],
      externalUrl: 'http://grafana',
      nowMs,
    });
    this.alerts = nextAlerts(this.rule, this.alerts, raised, { nowMs, limit: this.limit });
    return [...this.alerts.values()].map(({ state }) => state).join(' ');
  }

  sent(minutes: number, resendDelayMs = minute): string[] {
    const due = takeAlertsToSend(this.alerts.values(), minutes * minute, {
      resendDelayMs,
      intervalMs: minute,
    });
    return due.map(({ state }) => state);
  }
}

test('without `for` an alert fires at once; it resolves, is told so for 15 minutes, and is forgotten', () => {
  const life = new Life();
  expect(life.at(1, sample(1))).toBe('firing');
  expect(life.sent(1)).toEqual(['firing']);
  expect(life.at(2)).toBe('inactive');
  expect(life.sent(2)).toEqual(['inactive']);
  expect(life.at(3)).toBe('inactive');
  expect(life.sent(3)).toEqual(['inactive']);
  expect(life.at(2 + resolvedRetentionMs / minute)).toBe('inactive');
  expect(life.at(3 + resolvedRetentionMs / minute)).toBe('');
});

test('with `for` it waits, and begins anew when the condition breaks off', () => {
  const life = new Life('  for: 5m\n');
  expect(life.at(0, sample(1))).toBe('pending');
  expect(life.sent(0)).toEqual([]);
  expect(life.at(4, sample(1))).toBe('pending');
  expect(life.at(5)).toBe('');
  expect(life.at(6, sample(1))).toBe('pending');
  expect(life.at(10, sample(1))).toBe('pending');
  expect(life.at(11, sample(1))).toBe('firing');
  const [alert] = life.alerts.values();
  expect([alert.activeAtMs, alert.firedAtMs]).toEqual([6 * minute, 11 * minute]);
});

test('keep_firing_for holds it after the condition ended; a new hit ends the wait', () => {
  const life = new Life('  keep_firing_for: 3m\n');
  expect(life.at(0, sample(1))).toBe('firing');
  expect(life.at(1)).toBe('firing');
  expect(life.at(2, sample(1))).toBe('firing');
  expect(life.at(3)).toBe('firing');
  expect(life.at(5)).toBe('firing');
  expect(life.at(6)).toBe('inactive');
});

test('an alert that resolved and comes again is a new one', () => {
  const life = new Life();
  life.at(0, sample(1));
  life.sent(0);
  life.at(1);
  life.sent(1);
  expect(life.at(2, sample(1))).toBe('firing');
  expect(life.sent(2)).toEqual(['firing']);
  expect([...life.alerts.values()][0].activeAtMs).toBe(2 * minute);
});

test('it is sent again after the resend delay, not before, with an end far enough away', () => {
  const life = new Life();
  life.at(5, sample(1));
  expect(life.sent(5, 3 * minute)).toEqual(['firing']);
  expect([...life.alerts.values()][0].validUntilMs).toBe(17 * minute);
  life.at(6, sample(1));
  expect(life.sent(6, 3 * minute)).toEqual([]);
  life.at(8, sample(1));
  expect(life.sent(8, 3 * minute)).toEqual(['firing']);
});

test('labels: of the series, then of the rule, then the name; templates see series and value', () => {
  const life = new Life(
    '  labels: {severity: "{{ if gt $value 5.0 }}page{{ else }}mail{{ end }}", app: "x-{{ $labels.app }}", alertname: no, gone: ""}\n' +
      '  annotations: {s: "{{ $labels.app }} of {{ $externalLabels.cluster }} at {{ $value }}, {{ $externalURL }}"}\n',
  );
  life.at(0, sample(7, { __name__: 'm', app: 'a', gone: 'soon' }));
  const [alert] = life.alerts.values();
  expect(Object.fromEntries(alert.labels)).toEqual({ alertname: 'A', app: 'x-a', severity: 'page' });
  expect(alert.annotations).toEqual([['s', 'a of c1 at 7, http://grafana']]);
});

test('each evaluation brings value and annotations up to date; what it is called stays', () => {
  const life = new Life('  for: 5m\n  annotations: {v: "{{ $value }}"}\n');
  life.at(0, sample(1, { app: 'a' }));
  life.at(1, sample(2, { app: 'a' }));
  const [alert] = life.alerts.values();
  expect(alert).toMatchObject({ value: 2, annotations: [['v', '2']], activeAtMs: 0 });
});

test('two series that become one alert are an error, and so are more alerts than allowed', () => {
  const twins = new Life('  labels: {app: same}\n');
  expect(() => twins.at(0, sample(1, { app: 'a' }), sample(1, { app: 'b' }))).toThrow(RuleError);
  const many = new Life('', 1);
  expect(() => many.at(0, sample(1, { app: 'a' }), sample(1, { app: 'b' }))).toThrow(
    new RuleLimitError('exceeded limit of 1 with 2 alerts'),
  );
  expect(many.at(0, sample(1, { app: 'a' }))).toBe('firing');
  // Resolved alerts do not count.
  expect(many.at(1, sample(1, { app: 'b' }))).toBe('firing inactive');
});

test('a rule is as bad as its worst alert', () => {
  const life = new Life('  for: 5m\n');
  life.at(0, sample(1, { app: 'a' }));
  life.at(5, sample(1, { app: 'a' }), sample(1, { app: 'b' }));
  expect(ruleState(life.alerts.values())).toBe('firing');
  expect(ruleState([])).toBe('inactive');
});

describe('after an outage', () => {
  const gracePeriodMs = 10 * minute;
  const resumed = (fields: string, downAt: number, now: number, activeAt = 0): Alert => {
    const life = new Life(fields);
    life.at(activeAt, sample(1));
    const times = { downAtMs: downAt * minute, nowMs: now * minute, gracePeriodMs };
    const [alert] = resumeAlerts(life.rule, life.alerts.values(), times).values();
    return alert;
  };

  test('a pending alert has waited as long as before, not longer', () => {
    expect(resumed('  for: 60m\n', 20, 30).activeAtMs).toBe(10 * minute);
    // Without a grace period in the way also when `for` is short.
    expect(resumed('  for: 5m\n', 4, 5).activeAtMs).toBe(minute);
  });

  test('it waits at least the grace period more', () => {
    expect(resumed('  for: 60m\n', 59, 70).activeAtMs).toBe((70 + 10 - 60) * minute);
  });

  test('one that fired goes on, and one that was due fires', () => {
    const life = new Life();
    life.at(0, sample(1));
    const times = { downAtMs: minute, nowMs: 30 * minute, gracePeriodMs };
    const [alert] = resumeAlerts(life.rule, life.alerts.values(), times).values();
    expect(alert).toMatchObject({ state: 'firing', activeAtMs: 0, firedAtMs: 0 });
    expect(resumed('  for: 10m\n', 11, 20).activeAtMs).toBe(0);
  });
});
