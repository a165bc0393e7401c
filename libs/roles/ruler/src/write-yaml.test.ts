/**
 * Protects what clients diff: rules come back letter by letter as Go's encoder writes them, and mean what
 * they meant.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { atOnce } from '@loki/ports';
import { readGroup } from './read-yaml.ts';
import type { RuleGroup } from './rule-group.ts';
import { compareNatural, writeGroup, writeNamespaces } from './write-yaml.ts';

interface Golden {
  /**
   * A text used as name, expression and label, as gopkg.in/yaml.v3 3.0.1 wrote it in a list and alone.
   */
  readonly cases: readonly [string, string][];
  /** Keys of a map, and the map. */
  readonly keys: readonly string[];
  readonly keyText: string;
}

const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'testdata/yaml-v3.json'), 'utf8')) as Golden;

function groupOf(text: string): RuleGroup {
  const rule = { kind: 'alert' as const, name: text, expr: text, forMs: 0, keepFiringForMs: 0 };
  return {
    name: text,
    intervalMs: 0,
    limit: 0,
    rules: [{ ...rule, labels: [['l', text]], annotations: [] }],
  };
}

test.each(golden.cases)('%j is written as Go writes it', (text, expected) => {
  const group = groupOf(text);
  const [inList, alone] = expected.split('@@');
  expect(String(atOnce(writeNamespaces(new Map([['ns', [group]]]))))).toBe(inList);
  expect(writeGroup(group)).toBe(alone);
});

test('keys are sorted and written as Go does it', () => {
  const texts = golden.keyText.split(': []\n').slice(0, -1);
  const own = [...golden.keys].sort(compareNatural);
  const written = own.map((key) =>
    String(atOnce(writeNamespaces(new Map([[key, []]])))).slice(0, -':\n'.length),
  );
  expect(written).toEqual(texts);
});

test('written YAML reads back equal', () => {
  const text = fc
    .string({ unit: 'binary', maxLength: 30 })
    .filter((each) => each !== '' && each.isWellFormed());
  const line = fc.string({ unit: fc.constantFrom(' ', 'a', ':', '\n', '-', '#', "'", '"', '\t', '{', '|') });
  const word = fc.oneof(
    text,
    line.filter((each) => each !== ''),
  );
  const name = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,8}$/);
  const duration = fc.nat(10_000_000);
  fc.assert(
    fc.property(
      word,
      word,
      fc.dictionary(name, word),
      duration,
      duration,
      (title, expr, labels, forMs, keepMs) => {
        const pairs = Object.entries(labels).sort((a, b) => (a[0] < b[0] ? -1 : 1));
        const rule = { expr, forMs, keepFiringForMs: keepMs, labels: pairs, annotations: pairs };
        const group: RuleGroup = {
          name: title,
          intervalMs: forMs,
          limit: 7,
          rules: [{ kind: 'alert', name: title, ...rule }],
        };
        expect(readGroup(writeGroup(group, { complete: true }))).toEqual({
          name: title,
          intervalMs: forMs,
          limit: 7,
          rules: [{ alert: title, record: '', ...rule }],
        });
      },
    ),
    { numRuns: 200 },
  );
});
