/** Protects the alerts of the chart: by default those of the mixin, and their limits are values. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import YAML from 'yaml';
import { objectNamed, refusal, render, root, testWith } from './test/charts.ts';

interface Rule {
  alert?: string;
  expr: string;
  for?: string;
  labels?: Record<string, string>;
  annotations: Record<string, string>;
}
interface Groups {
  groups: { name: string; rules: Rule[] }[];
}

const rulesOf = (rules: object): Groups =>
  objectNamed(
    render({ values: { monitoring: { rules: { enabled: true, ...rules } } } }),
    'PrometheusRule',
    'loki',
  ).spec as Groups;
const alertOf = ({ groups }: Groups, name: string): Rule =>
  groups.flatMap(({ rules }) => rules).find(({ alert }) => alert === name)!;

testWith('helm4')('by default the rules are those of the mixin', () => {
  const mixin = ['alerts.yaml', 'rules.yaml'].flatMap((file) => {
    const text = fs.readFileSync(path.join(root, 'deploy/mixin', file), 'utf8');
    return (YAML.parse(text) as Groups).groups;
  });
  expect(rulesOf({}).groups).toEqual(mixin);
});

const limits: readonly (readonly [key: string, value: number, alert: string, text: string])[] = [
  ['requestErrorPercent', 2.5, 'LokiRequestErrors', '> 2.5'],
  ['requestSeconds', 4, 'LokiRequestLatency', '> 4'],
  ['compactionHours', 6, 'LokiCompactorHasNotSuccessfullyRunCompaction', '> 60 * 60 * 6'],
  ['compactionHours', 6, 'LokiCompactorHasNotSuccessfullyRunCompaction', '[6h]'],
  ['writeLogRecords', 2_000_000, 'LokiWriteLogLag', '> 2e+06'],
  ['flushFailures', 1, 'LokiFlushFailing', '> 1'],
  ['objectStoreErrorRatio', 0.2, 'LokiObjectStoreErrors', '> 0.2'],
  ['discardedLinesRatio', 0.01, 'LokiDiscardedLines', '> 0.01'],
  ['queuedParts', 77, 'LokiQueryQueueFull', '> 77'],
  ['certificateDays', 30, 'LokiCertificateExpiry', '< 30 * 24 * 3600'],
];

testWith('helm4').each(limits)('%s: %d is the limit of %s: %s', (key, value, name, text) => {
  expect(alertOf(rulesOf({ thresholds: { [key]: value } }), name).expr).toContain(text);
});

testWith('helm4')('each limit of the values has a row above, and Prometheus takes them all', () => {
  const { monitoring } = YAML.parse(
    fs.readFileSync(path.join(root, 'deploy/helm/loki/values.yaml'), 'utf8'),
  ) as {
    monitoring: { rules: { thresholds: object } };
  };
  expect([...new Set(limits.map(([key]) => key))]).toEqual(Object.keys(monitoring.rules.thresholds));
  const { groups } = rulesOf({ thresholds: Object.fromEntries(limits) });
  const text = YAML.stringify({ groups });
  expect(text).not.toMatch(/@\w+@/);
  if (!fs.existsSync('/usr/bin/promtool')) return;
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'loki-rules-')), 'rules.yaml');
  fs.writeFileSync(file, text);
  expect(execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' })).toContain('SUCCESS');
  fs.rmSync(path.dirname(file), { recursive: true });
});

testWith('helm4')('texts name the limits that are set', () => {
  const rules = rulesOf({ thresholds: { compactionHours: 6, certificateDays: 30 } });
  expect(alertOf(rules, 'LokiCompactorHasNotSuccessfullyRunCompaction').annotations['summary']).toContain(
    '6 hours',
  );
  expect(alertOf(rules, 'LokiCertificateExpiry').annotations['summary']).toContain('30 days');
});

testWith('helm4')('an alert is left out, lasts longer, or weighs otherwise by its own values', () => {
  const rules = rulesOf({
    alerts: {
      LokiRequestLatency: { for: '30m', severity: 'info' },
      LokiAutoscalerAtMaximum: { enabled: false },
    },
  });
  expect(alertOf(rules, 'LokiRequestLatency')).toMatchObject({ for: '30m', labels: { severity: 'info' } });
  expect(alertOf(rules, 'LokiAutoscalerAtMaximum')).toBeUndefined();
  expect(alertOf(rules, 'LokiRequestErrors')).toEqual(alertOf(rulesOf({}), 'LokiRequestErrors'));
});

testWith('helm4')('runbooks are where the values say', () => {
  const rules = rulesOf({ runbookUrl: 'https://wiki.example.com/loki' });
  expect(alertOf(rules, 'LokiFlushFailing').annotations['runbook_url']).toBe(
    'https://wiki.example.com/loki#lokiflushfailing',
  );
});

testWith('helm4').each([
  [
    { alerts: { LokiNothing: { enabled: false } } },
    'monitoring.rules.alerts.LokiNothing: there is no such alert',
  ],
  [{ thresholds: { queuedPart: 3 } }, 'queuedPart'],
  [{ thresholds: { discardedLinesRatio: 5 } }, 'discardedLinesRatio'],
])('%j is refused in words', (rules, words) => {
  expect(refusal({ values: { monitoring: { rules: { enabled: true, ...rules } } } })).toContain(words);
});
