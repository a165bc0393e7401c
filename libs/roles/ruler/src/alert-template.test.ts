/**
 * Protects what people read at night: texts of alerts come out as Prometheus 3.4 expanded the same
 * templates.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expandAlertTemplate } from './alert-template.ts';

interface Golden {
  readonly templates: readonly { readonly Text: string; readonly Value: string; readonly Out: string }[];
}

const { templates } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'testdata/prometheus.json'), 'utf8'),
) as Golden;

const data = {
  labels: [
    ['app', 'a<b'],
    ['empty', ''],
    ['instance', 'host.example.com:9100'],
  ] as const,
  externalLabels: [['cluster', 'c1']] as const,
  externalUrl: 'http://grafana:3000/x',
};

const numbers = new Map([
  ['NaN', Number.NaN],
  ['+Inf', Infinity],
  ['-Inf', -Infinity],
]);

/** Values share a template: one test for each template, for all values. */
const byText = new Map<string, { value: number; out: string }[]>();
for (const { Text, Value, Out } of templates) {
  const same = byText.get(Text) ?? [];
  same.push({ value: numbers.get(Value) ?? Number(Value), out: Out });
  byText.set(Text, same);
}

test.each([...byText])('%j', (text, cases) => {
  for (const { value, out } of cases) {
    expect([value, expandAlertTemplate(text, 'A', { ...data, value }, () => 0n)]).toEqual([value, out]);
  }
});

test('a template that would run for long is stopped', () => {
  const text =
    '{{ range $a := "x" | printf "%1000000s" }}{{ end }}{{ define "r" }}{{ template "r" . }}{{ end }}{{ template "r" . }}';
  expect(expandAlertTemplate(text, 'A', { ...data, value: 1 }, () => 0n)).toMatch(
    /^<error expanding template: /,
  );
});

test('templates cannot ask the server', () => {
  const out = expandAlertTemplate('{{ query "up" }}', 'A', { ...data, value: 1 }, () => 0n);
  expect(out).toContain('queries in templates are not supported');
});

test('now is the time of the evaluation', () => {
  expect(expandAlertTemplate('{{ now }}', 'A', { ...data, value: 1 }, () => 1_500_000_000n)).toBe('1.5');
});
