import { interruptible } from '@loki/model';
import { expectCost, expectCostGrowth, unitOfCost } from '@loki/test-tools';
import { compileRegex } from './regex.ts';
import type { Regex } from './regex.ts';

/** 389 bytes, 28,000 instructions, of which most are alive on each character of a text of `a`. */
const hostile = Array.from({ length: 30 }, (_, i) => `a.{${900 + i}}[c-z]`).join('|');
const texts = ['a'.repeat(100_000), 'ab1 '.repeat(25_000)];

const ways: [string, (regex: Regex, text: string) => unknown][] = [
  ['test', (regex, text) => regex.test(text)],
  ['testBytes', (regex, text) => regex.testBytes(Buffer.from(text))],
  ['exec', (regex, text) => regex.exec(text)],
  ['replaceAll', (regex, text) => regex.replaceAll(text, '')],
  ['findAllCount', (regex, text) => regex.findAllCount(text)],
  [
    'findRows',
    (regex, text) => {
      const lines = Buffer.from(text);
      const ends = Uint32Array.from({ length: lines.length / 100 }, (_, row) => (row + 1) * 100);
      return regex.findRows(lines, ends, new Uint32Array(ends.length));
    },
  ],
];

// A search that cannot be ended holds its thread, and with it the queries of every tenant, for minutes.
describe.each(ways)('a search that takes long is ended: %s', (_name, search) => {
  test.each([
    ['many long branches', hostile],
    ['with a group', `(?P<x>${hostile})`],
    ['loops in loops', '(?:a{0,16}){16}[^ab1 ]'],
  ])('%s', async (_pattern, pattern) => {
    for (const text of texts) {
      const checked = () => {
        const regex = compileRegex(pattern);
        let checks = 0;
        const check = () => {
          if (++checks === 3) throw new Error('the caller has left');
        };
        return () => {
          try {
            interruptible(check, () => search(regex, text));
          } catch (error) {
            expect(String(error)).toBe('Error: the caller has left');
          }
        };
      };
      // Unchecked these took 10 s to 9 min, thousands of units.
      await expectCost(checked, unitOfCost, { timesMax: 500 });
    }
  });
});

test('where nothing can end a search, one that would take long is refused', () => {
  const text = 'a'.repeat(100_000);
  for (const [, search] of ways.slice(0, 5)) {
    expect(() => search(compileRegex(hostile), text)).toThrow(
      /regular expression of 27\d\d\d instructions is too expensive for a text of 100000 characters/,
    );
  }
  // Short ones are no danger.
  expect(compileRegex('(?:a{0,16}){16}[^a]').test('a'.repeat(500))).toBe(false);
  expect(
    compileRegex(Array.from({ length: 500 }, (_, i) => `pod-${i * 7919}`).join('|')).test('pod-7919'),
  ).toBe(true);
});

test('a pattern whose groups would need gigabytes is refused as too large', () => {
  expect(() => compileRegex('()'.repeat(5_000))).toThrow('expression too large');
  expect(compileRegex('(a)'.repeat(500)).groupNames).toHaveLength(501);
});

test('a replacement is bounded before it is made', async () => {
  const text = 'a'.repeat(1 << 20);
  const prepare = (copies: number) => () =>
    expect(() => compileRegex('^(.*)$').replaceAll(text, '$1'.repeat(copies), 1 << 20)).toThrow(
      'a replacement makes a text of more than 1048576 characters',
    );
  await expectCostGrowth(prepare, { small: 2, large: 500, timesMax: 20 });
  const replaceLiterally = () => () =>
    expect(() => compileRegex('a').replaceAllLiteral(text, text)).toThrow(
      'a replacement makes a text of more than',
    );
  await expectCost(replaceLiterally, unitOfCost, { timesMax: 200 });
  expect(compileRegex('^(.*)$').replaceAll(text, '$1', 1 << 20)).toBe(text);
});

// A class of 5 KB was folded, or gathered, part by part: 400 ms and more on the thread that serves requests.
test.each([
  ['characters', Array.from({ length: 1_700 }, (_, i) => String.fromCodePoint(0x400 + i * 3)).join('')],
  ['ranges', '\u0100-\uffff'.repeat(700)],
  ['letters', '\\pL'.repeat(1_600)],
  ['letters and others', '\\PL\\pC\\w'.repeat(600)],
  ['names', '[:^alpha:]'.repeat(500)],
])('a class of many %s is read soon, its case folded too', async (_, members) => {
  compileRegex('(?i)[a\\pL\\PL\\pC\\w]'); // tables of Unicode are made once
  const compile = () => () => {
    compileRegex(`(?i)[${members}]`);
    compileRegex(`[${members}]`);
  };
  await expectCost(compile, unitOfCost, { timesMax: 25 });
});

test('many small classes are read in linear time', async () => {
  const prepare = (count: number) => () => compileRegex(`(?i)${'[ab]'.repeat(count)}`);
  await expectCostGrowth(prepare, { small: 200, large: 4_000 });
});

// Each item that may be absent was trimmed by a copy of all others, in a call within the last one's: 60 KB
// took 12 s and ended with an overflow of the stack.
test.each([
  ['characters that may be absent', (count: number) => 'a?'.repeat(count)],
  ['loops', (count: number) => 'a*'.repeat(count)],
  ['loops with a character each', (count: number) => '.*x'.repeat(count)],
])('the literals of thousands of %s are known in linear time', async (_, patternOf) => {
  const prepare = (count: number) => () => compileRegex(patternOf(count)).literals;
  await expectCostGrowth(prepare, { small: 1_000, large: 20_000 });
});

test('whether a pattern matches nothing is known without an engine', async () => {
  for (const [pattern, expected] of [
    ['', true],
    ['a*', true],
    ['a?|b', true],
    ['(a|b*)+', true],
    ['^$', true],
    ['\\B', true],
    ['(?m:^$)', true],
    ['\\b', false],
    ['a*b', false],
    ['[^a]', false],
    ['.+', false],
  ] as const) {
    expect([pattern, compileRegex(pattern).test('')]).toEqual([pattern, expected]);
    expect([pattern, compileRegex(pattern, { anchored: true }).test('')]).toEqual([pattern, expected]);
  }
  const pattern = '\\pL+'.repeat(45);
  await expectCost(() => () => compileRegex(pattern).test(''), unitOfCost, { timesMax: 10 });
});

test('patterns of many large classes are refused', () => {
  expect(() => compileRegex('\\pL'.repeat(700))).toThrow('expression too large');
  expect(compileRegex('\\pL'.repeat(10)).test('abcdefghij')).toBe(true);
});

// Of a pattern with many loops V8 gives up backtracking, and each character costs a step for each
// instruction.
test('where nothing can end a search of many loops, a long text is refused', () => {
  const regex = compileRegex('.*x'.repeat(2_000));
  expect(regex.test('x'.repeat(100))).toBe(false);
  expect(() => regex.test('x'.repeat(600))).toThrow(
    'regular expression of 7997 instructions is too expensive for a text of 600 characters',
  );
});
