/** Protects the texts by which people find what is wrong with their rules. */
import { LokiError } from '@loki/model';
import { groupOf } from './test/world.ts';

const record = (fields: string) => `name: g\nrules:\n- record: r\n  expr: vector(1)\n${fields}`;
const alert = (fields: string) => `name: g\nrules:\n- alert: A\n  expr: vector(1)\n${fields}`;

test.each([
  ['rules: []', 'group 0: Groupname must not be empty'],
  [`name: ${'x'.repeat(181)}`, 'group name is too long: max 180 bytes'],
  ['name: g\nrules: [{expr: vector(1)}]', "one of 'record' or 'alert' must be set"],
  [
    'name: g\nrules: [{expr: vector(1), alert: a, record: b}]',
    "only one of 'record' and 'alert' must be set",
  ],
  ['name: g\nrules: [{record: r}]', "field 'expr' must be set in rule"],
  [
    'name: g2\nrules: [{record: A, expr: "sum("}]',
    "could not parse expression for record 'A' in group 'g2': parse error at line 1, col 5: syntax error: unexpected $end",
  ],
  [
    'name: g2\nrules: [{alert: A, expr: "rate({}[1m]) >"}]',
    /^could not parse expression for alert 'A' in group 'g2': parse error/,
  ],
  ['name: g\nrules: [{record: A-b, expr: vector(1)}]', 'invalid recording rule name: A-b'],
  [record('  for: 1m\n'), "invalid field 'for' in recording rule"],
  [record('  keep_firing_for: 1m\n'), "invalid field 'keep_firing_for' in recording rule"],
  [record('  annotations: {a: b}\n'), "invalid field 'annotations' in recording rule"],
  [record('  labels: {"a-b": c}\n'), 'invalid label name: a-b'],
  [record('  labels: {__name__: c}\n'), 'invalid label name: __name__'],
  [alert('  annotations: {"a b": c}\n'), 'invalid annotation name: a b'],
  [
    alert('  labels: {l: "{{ nosuch }}"}\n'),
    'label "l": template: __alert_A:1: function "nosuch" not defined',
  ],
  [alert('  annotations: {a: "{{ if }}"}\n'), 'annotation "a": template: __alert_A:1: missing value for if'],
])('%j is refused', (text, expected) => {
  try {
    groupOf(text);
  } catch (error) {
    expect(error).toBeInstanceOf(LokiError);
    expect((error as LokiError).code).toBe('badRequest');
    if (typeof expected === 'string') expect((error as LokiError).message).toBe(expected);
    else expect((error as LokiError).message).toMatch(expected);
    return;
  }
  throw new Error('it was taken');
});

test('labels of recording rules are no templates', () => {
  expect(groupOf(record('  labels: {a: "{{ nosuch }}"}\n')).rules[0].labels).toEqual([['a', '{{ nosuch }}']]);
});
