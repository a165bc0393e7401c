/**
 * Protects matchers that list names: a set must accept exactly the texts that the compiled pattern accepts as
 * a whole, and lists of any length must be taken.
 */
import fc from 'fast-check';
import { plainAlternatives } from './plain-alternatives.ts';
import { compileRegex } from './regex.ts';

const anchored = { anchored: true, dotAll: true };

test.each([
  ['a', ['a']],
  ['', ['']],
  ['a||b|', ['a', '', 'b']],
  [String.raw`db\.internal|a\-b|\|`, ['db.internal', 'a-b', '|']],
  ['(a|b)', ['a', 'b']],
  ['(?:a|b)', ['a', 'b']],
  ['é|😀', ['é', '😀']],
  ['a|(b)', undefined],
  ['(a)|(b)', undefined],
  [String.raw`(a\)`, undefined],
  [String.raw`\d`, undefined],
  [String.raw`a\é`, undefined],
  ['a\\', undefined],
  ['a.b', undefined],
  ['^a$', undefined],
  ['a{2}', undefined],
  ['(?i)a', undefined],
  ['(?:a', undefined],
])('%s', (pattern, texts) => {
  expect(plainAlternatives(pattern)).toEqual(texts && new Set(texts));
});

test('a list accepts what its pattern accepts', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    '|',
    '\\.',
    '\\|',
    '.',
    '(',
    ')',
    '-',
    '\n',
    'é',
    '\\',
    '?:',
    '\\d',
  );
  const seen = { lists: 0, accepted: 0 };
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 7 }), fc.array(piece, { maxLength: 3 }), (pieces, parts) => {
      const pattern = pieces.join('');
      const texts = plainAlternatives(pattern);
      if (!texts) return;
      seen.lists++;
      const regex = compileRegex(pattern, anchored);
      for (const text of [...texts, ...[...texts].map((each) => `${each}a`), parts.join(''), '']) {
        if (texts.has(text)) seen.accepted++;
        expect([pattern, text, regex.test(text)]).toEqual([pattern, text, texts.has(text)]);
      }
    }),
    { numRuns: 5_000 },
  );
  expect(Math.min(seen.lists, seen.accepted)).toBeGreaterThan(500);
});

test('a list may be of any length', () => {
  const names = Array.from({ length: 5_000 }, (_, i) => `some-deployment-${i}`).join('|');
  expect(plainAlternatives(names)!.size).toBe(5_000);
});
