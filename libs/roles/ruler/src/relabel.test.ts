/** Protects what reaches others: labels are rewritten as Prometheus 3.4 rewrote them by the same steps. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readRelabelSteps, relabel } from './relabel.ts';
import { SettingError } from './settings.ts';

interface Golden {
  readonly relabel: readonly {
    readonly Config: string;
    readonly In: Record<string, string>;
    readonly Out: Record<string, string>;
    readonly Keep: boolean;
  }[];
}

const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, 'testdata/prometheus.json'), 'utf8'),
) as Golden;

test.each(golden.relabel)('$Config of $In', ({ Config, In, Out, Keep }) => {
  const steps = readRelabelSteps([parse(Config)], 'test');
  const labels = relabel(Object.entries(In), steps);
  expect(labels && Object.fromEntries(labels)).toEqual(Keep ? Out : undefined);
});

test('steps follow one another, and a dropped series stays dropped', () => {
  const steps = readRelabelSteps(
    [
      { target_label: 'a', replacement: 'new' },
      { source_labels: ['a'], regex: 'new', action: 'drop' },
    ],
    'test',
  );
  expect(relabel([['a', 'old']], steps)).toBeUndefined();
});

test.each([
  [{ action: 'nosuch' }, 'unknown relabel action "nosuch"'],
  [{ action: 'replace' }, "requires 'target_label'"],
  [{ action: 'hashmod', target_label: 'h' }, 'non-zero modulus'],
  [{ regex: '(', target_label: 'a' }, 'missing closing )'],
  ['text', 'is not a mapping'],
])('%j is refused', (step, text) => {
  expect(() => readRelabelSteps([step], 'test')).toThrow(SettingError);
  expect(() => readRelabelSteps([step], 'test')).toThrow(text);
});
