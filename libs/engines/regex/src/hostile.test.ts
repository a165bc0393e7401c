import { interruptible } from '@loki/model';
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
  ])('%s', (_pattern, pattern) => {
    for (const text of texts) {
      const regex = compileRegex(pattern);
      let asked = 0;
      const startedMs = process.cpuUsage().user / 1_000;
      const check = () => {
        asked++;
        if (process.cpuUsage().user / 1_000 - startedMs > 200) throw new Error('nobody waits');
      };
      try {
        interruptible(check, () => search(regex, text));
      } catch (error) {
        expect(String(error)).toBe('Error: nobody waits');
        expect(asked).toBeGreaterThan(0);
      }
      // Compiling takes 0.3 s of it; unchecked these took 10 s to 9 min.
      expect(process.cpuUsage().user / 1_000 - startedMs).toBeLessThan(2_000);
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
  expect(compileRegex('(?:a{0,16}){16}[^a]').test('a'.repeat(1_000))).toBe(false);
  expect(
    compileRegex(Array.from({ length: 500 }, (_, i) => `pod-${i * 7919}`).join('|')).test('pod-7919'),
  ).toBe(true);
});

test('a pattern whose groups would need gigabytes is refused as too large', () => {
  expect(() => compileRegex('()'.repeat(5_000))).toThrow('expression too large');
  expect(compileRegex('(a)'.repeat(500)).groupNames).toHaveLength(501);
});

test('a replacement is bounded before it is made', () => {
  const text = 'a'.repeat(1 << 20);
  const template = '$1'.repeat(500);
  const startedMs = process.cpuUsage().user / 1_000;
  expect(() => compileRegex('^(.*)$').replaceAll(text, template, 1 << 20)).toThrow(
    'a replacement makes a text of more than 1048576 characters',
  );
  expect(() => compileRegex('a').replaceAllLiteral(text, text)).toThrow(
    'a replacement makes a text of more than',
  );
  expect(process.cpuUsage().user / 1_000 - startedMs).toBeLessThan(1_000);
  expect(compileRegex('^(.*)$').replaceAll(text, '$1', 1 << 20)).toBe(text);
});

// A class of 5 KB was folded, or gathered, part by part: 400 ms and more on the thread that serves requests.
test.each([
  ['characters', Array.from({ length: 1_700 }, (_, i) => String.fromCodePoint(0x400 + i * 3)).join('')],
  ['ranges', '\u0100-\uffff'.repeat(700)],
  ['letters', '\\pL'.repeat(1_600)],
  ['letters and others', '\\PL\\pC\\w'.repeat(600)],
  ['names', '[:^alpha:]'.repeat(500)],
])('a class of many %s is read soon, its case folded too', (_, members) => {
  compileRegex('(?i)[a\\pL\\PL\\pC\\w]'); // tables of Unicode are made once
  const begunMs = process.cpuUsage().user / 1_000;
  compileRegex(`(?i)[${members}]`);
  compileRegex(`[${members}]`);
  expect(process.cpuUsage().user / 1_000 - begunMs).toBeLessThan(100);
});

test('many small classes are read soon', () => {
  compileRegex('(?i)[a]');
  const begunMs = process.cpuUsage().user / 1_000;
  compileRegex(`(?i)${'[ab]'.repeat(4_000)}`);
  expect(process.cpuUsage().user / 1_000 - begunMs).toBeLessThan(250);
});
