import fc from 'fast-check';
import { RE2JS } from 're2js';
import { compileRegex } from './regex.ts';

/** Random RE2 patterns that every engine here must agree on. */
const atom = fc.constantFrom(
  'a', 'b', 'c', 'k', 's', 'é', 'ł', '😀', '日', '\\.', '.', '\\d', '\\w', '\\W', '\\s', '[ab]', '[^a]', '[^\\n]',
  '[a-cé]', '[^é]', '\\pL', '\\p{Greek}', '^', '$', '\\b', '\\B', '[[:alpha:]]', '(?i:k)', '(?i:[^s])', '(?s:.)', '\\x{1F600}',
  '(?m:^)', '(?m:$)', 'ab', 'error', '=',
); // prettier-ignore
const quantifier = fc.constantFrom(
  '',
  '',
  '',
  '*',
  '+',
  '?',
  '*?',
  '+?',
  '??',
  '{2}',
  '{0,2}',
  '{1,3}?',
  '{2,}',
);
const pattern = fc.letrec<{ node: string; concat: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.tuple(atom, quantifier).map(([a, q]) => a + q),
    fc.tuple(tie('concat'), quantifier).map(([body, q]) => `(${body})${q}`),
    fc.tuple(tie('concat'), tie('concat'), quantifier).map(([a, b, q]) => `(?:${a}|${b})${q}`),
    tie('concat').map((body) => `(?i:${body})`),
  ),
  concat: fc.array(tie('node'), { minLength: 0, maxLength: 4 }).map((parts) => parts.join('')),
})).concat;
const text = fc
  .array(
    fc.constantFrom(
      'a', 'b', 'c', 'A', 'B', 'k', 'K', 's', 'S', 'ſ', '\u212a', 'é', 'É', 'ł', '😀', '𝔘', '日', '1', '_', ' ', '\n', '.', '=', '\r', 'error', 'ab', '\u2028', 'β',
    ), // prettier-ignore
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

const runs = { numRuns: 500 };

describe('every engine agrees with re2js', () => {
  test('test, on text and on bytes', () => {
    fc.assert(
      fc.property(pattern, text, (source, input) => {
        const expected = RE2JS.compile(source).matcher(input).find();
        const regex = compileRegex(source);
        expect(regex.test(input)).toBe(expected);
        expect(regex.testBytes(Buffer.from(`xx${input}yy`), 2, 2 + Buffer.byteLength(input))).toBe(expected);
      }),
      runs,
    );
  });

  test('an anchored test agrees with re2js', () => {
    fc.assert(
      fc.property(pattern, text, (source, input) => {
        const expected = RE2JS.compile(`^(?:${source})$`).matcher(input).find();
        const regex = compileRegex(source, { anchored: true });
        expect(regex.test(input)).toBe(expected);
        expect(regex.testBytes(Buffer.from(input))).toBe(expected);
        const dotAll = compileRegex(source, { anchored: true, dotAll: true });
        expect(dotAll.test(input)).toBe(RE2JS.compile(`^(?s:${source})$`).matcher(input).find());
      }),
      runs,
    );
  });

  test("exec returns re2js's groups", () => {
    fc.assert(
      fc.property(pattern, text, (source, input) => {
        const matcher = RE2JS.compile(source).matcher(input);
        const groups = compileRegex(source).exec(input);
        if (!matcher.find()) return expect(groups).toBeNull();
        const expected = [];
        for (let i = 0; i <= matcher.groupCount(); i++) expected.push(matcher.group(i) ?? undefined);
        expect([...groups!]).toEqual(expected);
      }),
      runs,
    );
  });

  test('rows of a block are those that testBytes finds', () => {
    fc.assert(
      fc.property(pattern, fc.array(text, { maxLength: 20 }), (source, rows) => {
        const lines = Buffer.from(rows.join(''));
        const ends = new Uint32Array(rows.length);
        let end = 0;
        rows.forEach((row, i) => (ends[i] = end += Buffer.byteLength(row)));
        const regex = compileRegex(source);
        const expected = rows.flatMap((row, i) => (regex.testBytes(Buffer.from(row)) ? [i] : []));
        const out = new Uint32Array(rows.length);
        const count = regex.findRows(lines, ends, out);
        expect([...out.subarray(0, count)]).toEqual(expected);
        const odd = Uint32Array.from(rows.keys()).filter((row) => row % 2 === 1);
        const kept = regex.filterRows(lines, ends, odd, odd.length);
        expect([...odd.subarray(0, kept)]).toEqual(expected.filter((row) => row % 2 === 1));
      }),
      runs,
    );
  });
});

describe('literal facts never hide a match', () => {
  test('each required group occurs in every match, and exact literals decide', () => {
    fc.assert(
      fc.property(pattern, text, (source, input) => {
        const { literals, ...regex } = {
          literals: compileRegex(source).literals,
          regex: compileRegex(source),
        };
        const matches = RE2JS.compile(source).matcher(input).find();
        const lower = input.replace(/[A-Z]/g, (c) => c.toLowerCase());
        const hasTwins = /[ſ\u212a]/.test(input);
        const isIn = (literal: { text: string; fold: boolean; hasTwins: boolean }) =>
          (literal.hasTwins && hasTwins) ||
          (literal.fold
            ? lower.includes(literal.text.replace(/[A-Z]/g, (c) => c.toLowerCase()))
            : input.includes(literal.text));
        if (matches) for (const anyOf of literals.required) expect(anyOf.some(isIn)).toBe(true);
        if (literals.exact && !literals.exact.atStart && !literals.exact.atEnd && !hasTwins) {
          expect(literals.exact.anyOf.some(isIn)).toBe(matches);
        }
        expect(regex).toBeDefined();
      }),
      runs,
    );
  });

  test.each([
    ['timeout', 'timeout'],
    ['.*timeout.*', 'timeout'],
    ['(?i)time.*x', 'time'],
    ['"status":50[0-9].*"duration_ms":[0-9]{2,3}[.]', '"duration_ms":'],
    ['^(?P<ip>\\S+) HTTP', ' HTTP'],
    ['(?:ab){3}\\d', 'ababab'],
  ])('%s asks for %s', (source, literal) => {
    expect(compileRegex(source).literals.required[0].map((one) => one.text)).toEqual([literal]);
  });

  test('an alternation of words is decided by them', () => {
    const { exact } = compileRegex('error|panic|fatal').literals;
    expect(exact?.anyOf.map((literal) => literal.text)).toEqual(['error', 'panic', 'fatal']);
  });
});
