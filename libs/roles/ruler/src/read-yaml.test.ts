/**
 * Protects the door by which rules come in: what Go's decoder takes is taken, what might cost us dearly is
 * not.
 */
import fc from 'fast-check';
import { expectCost, unitOfCost } from '@loki/test-tools';
import { readGroup, readRuleFile, RuleTextError } from './read-yaml.ts';
import { checkedGroupText, storedGroup } from './rule-store.ts';

test('scalars are text wherever text is wanted, as they were written', () => {
  const group = readGroup(
    'name: 5\nrules:\n- record: true\n  expr: 1.50\n  labels: {a: null, b: ~, c: 0x1F, d: "null"}\n',
  );
  expect(group.name).toBe('5');
  expect(group.rules[0]).toMatchObject({
    record: 'true',
    expr: '1.50',
    labels: [
      ['a', ''],
      ['b', ''],
      ['c', '0x1F'],
      ['d', 'null'],
    ],
  });
});

test('anchors, aliases and merge keys are understood; the mapping itself wins', () => {
  const text =
    'name: g\nx: &base {labels: {team: a}, for: 5m}\nrules:\n- <<: *base\n  alert: A\n  expr: vector(1)\n  for: 1m\n';
  expect(readGroup(text).rules[0]).toMatchObject({ alert: 'A', labels: [['team', 'a']], forMs: 60_000 });
});

test.each([
  ['', 'nothing'],
  ['{}', 'an empty mapping'],
  ['~', 'null'],
  ['# only a comment', 'a comment'],
])('%j is a group without anything: %s', (text) => {
  expect(readGroup(text)).toEqual({ name: '', intervalMs: 0, limit: 0, rules: [] });
});

test('of several documents the first counts', () => {
  expect(readGroup('name: a\n---\nname: b\n').name).toBe('a');
});

test('a rule file holds groups', () => {
  expect(readRuleFile('groups:\n- name: a\n- name: b\n').map(({ name }) => name)).toEqual(['a', 'b']);
});

test.each([
  ['{{', 'no YAML'],
  ['hello', 'no mapping'],
  ['- a', 'a list'],
  ['name: [a]', 'a list for a text'],
  ['name: g\nname: h', 'a key twice'],
  ['name: g\ninterval: 5', 'a number for a duration'],
  ['name: g\ninterval: 1h5', 'half a duration'],
  ['name: g\ninterval: -1m', 'a negative duration'],
  ['name: g\nlimit: many', 'a word for a number'],
  ['name: g\nlimit: 1.5', 'a fraction for a number'],
  ['name: g\nrules: {a: b}', 'a mapping for a list'],
  ['name: g\nrules: [a]', 'a text for a rule'],
  ['name: g\nrules: [{labels: [a]}]', 'a list for labels'],
  ['name: !!str g', 'a tag'],
  ['name: !foo g', 'a tag of nobody'],
  ['name: *nowhere', 'an alias for nothing'],
  ['? [a]\n: b', 'a list as a key'],
  ['name: g\n<<: a', 'a merge of a text'],
])('%j is refused: %s', (text) => {
  expect(() => readGroup(text)).toThrow(RuleTextError);
});

test.each([
  ['keys', (depth: number) => Array.from({ length: depth }, (_, i) => `${' '.repeat(i)}k:`).join('\n')],
  ['dashes', (depth: number) => '- '.repeat(depth)],
  ['items', (depth: number) => Array.from({ length: depth }, (_, i) => `${'  '.repeat(i)}-`).join('\n')],
])('%s nest up to a bound, whatever stack there is', (_name, nest) => {
  const refusal = (text: string): string => {
    try {
      readGroup(text);
      return '';
    } catch (error) {
      expect(error).toBeInstanceOf(RuleTextError);
      return (error as Error).message;
    }
  };
  expect(refusal(nest(64))).not.toContain('nest too deep');
  expect(refusal(nest(65))).toBe('collections nest too deep');
});

test('lines side by side, and lines of a long text, do not nest', () => {
  const lines = Array.from({ length: 200 }, (_, i) => `${' '.repeat(i + 1)}word`).join('\n');
  expect(readGroup(`name: |1\n${lines}\nlimit: 3\n`)).toMatchObject({ limit: 3 });
  const rules = Array.from({ length: 200 }, (_, i) => `- record: r${i}\n  expr: vector(1)`).join('\n');
  expect(readGroup(`name: g\nrules:\n${rules}\n`).rules).toHaveLength(200);
});

test.each([
  ['brackets', '['.repeat(1 << 20)],
  ['braces and quotes', '{"a":'.repeat(200_000)],
  ['dashes', `rules: ${'- '.repeat(1 << 19)}`],
  ['nested dashes', '- '.repeat(16_000)],
  ['nested keys', Array.from({ length: 1400 }, (_, i) => `${' '.repeat(i)}k:`).join('\n')],
  ['items', `rules:\n${'- a\n'.repeat(262_000)}`],
  ['anchors', `rules:\n${'- &a b\n'.repeat(100_000)}`],
  ['an alias bomb', bomb()],
  ['many aliases', `x: &x a\nrules:\n${'- *x\n'.repeat(5000)}`],
  ['too many bytes', 'x'.repeat((1 << 20) + 1)],
])('hostile text ends soon: %s', async (_name, text) => {
  await expectCost(() => () => expect(() => readGroup(text)).toThrow(RuleTextError), unitOfCost, {
    timesMax: 1_000,
  });
});

function bomb(): string {
  const lines = ['name: g', 'a0: &a0 {labels: {x: y}}'];
  for (let i = 1; i < 30; i++) lines.push(`a${i}: &a${i} {<<: [*a${i - 1}, *a${i - 1}, *a${i - 1}]}`);
  return `${lines.join('\n')}\nrules: [*a29, *a29]\n`;
}

test('whatever comes, the answer is a group or a refusal', () => {
  const piece = fc.constantFrom(
    'name: ', 'rules:', '\n', '- ', '  ', 'alert: ', 'expr: ', '{', '}', '[', ']', '"', "'", '|', '>', '&a ', '*a', '!', ': ', '#', ',', '? ', '<<: ', 'labels:', '---\n', '%', '\t', 'x',
  ); // prettier-ignore
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      try {
        readGroup(pieces.join(''));
      } catch (error) {
        expect(error).toBeInstanceOf(RuleTextError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('a group of an older version, or that an operator put there, is read without a checksum; half of one is not', () => {
  const yaml = 'name: g\n';
  expect(checkedGroupText('k', Buffer.from(yaml))).toBe(yaml);
  const text = storedGroup(yaml).toString();
  expect(readGroup(checkedGroupText('k', Buffer.from(text)))).toMatchObject({ name: 'g' });
  const [header, , trailer] = text.split('\n');
  for (const half of [`${header}\n${yaml}`, `${yaml}${trailer}\n`, text.replace('g', 'h')]) {
    expect(() => checkedGroupText('k', Buffer.from(half))).toThrow('the checksum of k does not hold');
  }
});
