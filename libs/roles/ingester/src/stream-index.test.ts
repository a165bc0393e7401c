/**
 * Protects the streams that queries read of a head: the index must name exactly those that a look at every
 * stream would, and its cost must follow the matches, not the streams.
 */
import fc from 'fast-check';
import { compileMatcher, compileMatchers } from '@loki/logql';
import type { StringMatcher } from '@loki/logql';
import { Labels } from '@loki/model';
import { StreamIndex } from './stream-index.ts';

function streamOf(pairs: Readonly<Record<string, string>>) {
  const labels = Labels.fromPairs(Object.entries(pairs));
  return { labels, text: labels.toString() };
}
type Stream = ReturnType<typeof streamOf>;

const value = fc.constantFrom('', 'a', 'b', 'ab', 'c');
const labelSet = fc.record({ x: value, y: value, z: value, pod: fc.integer({ max: 300 }).map(String) });
const matcher = fc.record({
  name: fc.constantFrom('x', 'y', 'z', 'pod', 'missing'),
  op: fc.constantFrom('=', '!=', '=~', '!~'),
  value: fc.constantFrom('', 'a', 'b', 'a|b', 'a.*', '.*', '.+', '|c', '[0-9]', '1.*', 'none'),
});

test('selects the very streams that every matcher accepts, while streams come and go', () => {
  const scenario = fc.tuple(
    fc.array(labelSet, { minLength: 40, maxLength: 200 }),
    fc.array(fc.nat(), { maxLength: 120 }),
    fc.array(fc.array(matcher, { maxLength: 4 }), { minLength: 1, maxLength: 6 }),
  );
  const matches = { none: 0, some: 0 };
  fc.assert(
    fc.property(scenario, ([labelSets, deletions, selectors]) => {
      const index = new StreamIndex<Stream>();
      const plain = new Map<string, Stream>();
      for (const pairs of labelSets) {
        const stream = streamOf(pairs);
        if (plain.has(stream.text)) continue;
        plain.set(stream.text, stream);
        index.add(stream);
      }
      for (const at of deletions) {
        const stream = [...plain.values()][at % (plain.size || 1)];
        if (!stream) break;
        plain.delete(stream.text);
        index.delete(stream);
      }
      expect(index.size).toBe(plain.size);
      for (const selector of selectors) {
        const accepts = compileMatchers(selector);
        const expected = [...plain.values()].filter(({ labels }) => accepts(labels)).map(({ text }) => text);
        const selected = index.select(selector.map(compileMatcher)).map(({ text }) => text);
        expect(selected.sort()).toEqual(expected.sort());
        matches[expected.length === 0 ? 'none' : 'some']++;
      }
    }),
    { numRuns: 300 },
  );
  expect(Math.min(matches.none, matches.some)).toBeGreaterThan(100);
});

test.each([
  ['one value', [['app', '=', 'app-7']], 20, 40],
  [
    'a value and a regular expression',
    [
      ['app', '=', 'app-7'],
      ['pod', '=~', 'pod-1.*'],
    ],
    2,
    60,
  ],
  ['values that an expression lists', [['app', '=~', 'app-7|app-8']], 40, 80],
  ['values by a regular expression', [['app', '=~', 'app-[78]']], 40, 600],
  ['a label that few streams have', [['rare', '!=', '']], 2, 10],
  [
    'a value that no stream has',
    [
      ['app', '=~', '.+'],
      ['zone', '=', 'nowhere'],
    ],
    0,
    4,
  ],
] as const)('%s: as many tests as there are values or matches', (_, selector, count, testsMax) => {
  const index = new StreamIndex<Stream>();
  for (let i = 0; i < 10_000; i++) {
    index.add(streamOf({ app: `app-${i % 500}`, pod: `pod-${i}`, ...(i < 2 ? { rare: `${i}` } : {}) }));
  }
  let tests = 0;
  const counted = selector.map(([name, op, text]): StringMatcher => {
    const compiled = compileMatcher({ name, op, value: text });
    return { ...compiled, matches: (each) => (tests++, compiled.matches(each)) };
  });
  expect(index.select(counted)).toHaveLength(count);
  expect(tests).toBeLessThanOrEqual(testsMax);
});
