/**
 * Protects the streams that queries read of a head: the index must name exactly those that a look at every
 * stream would, and its cost must follow the matches, not the streams.
 */
import fc from 'fast-check';
import { compileMatcher, compileMatchers } from '@loki/logql';
import type { StringMatcher } from '@loki/logql';
import { Labels } from '@loki/model';
import { hasher } from '../test/records.ts';
import { HeadStreams } from './head-streams.ts';
import type { StreamKey } from './head-streams.ts';
import { selectedStreams, testedMatchers } from './stream-selection.ts';

const byNumber = (a: number, b: number) => a - b;

/** The streams of one tenant, with the parts of a record's labels as the head makes them. */
class TestStreams {
  readonly streams = new HeadStreams(hasher());

  add(labels: Labels): number {
    const tenant = this.streams.tenant('a');
    const values = Int32Array.from(labels.names, (text, i) => {
      let name = tenant.names.get(text);
      if (!name) tenant.names.set(text, (name = { text, values: new Map() }));
      return this.streams.values.intern(name, labels.values[i]);
    });
    // Half of the streams share their hash.
    const key: StreamKey = { high: 7, low: values[0] % 2, values, start: 0, end: values.length };
    const known = this.streams.find(tenant, key);
    return known >= 0 ? known : this.streams.add(tenant, key);
  }

  select(matchers: readonly StringMatcher[]): number[] {
    const tenant = this.streams.tenants.get('a');
    return tenant ? selectedStreams(this.streams, tenant, matchers) : [];
  }
}

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
      const index = new TestStreams();
      const plain = new Map<number, Labels>();
      for (const pairs of labelSets) {
        const labels = Labels.fromPairs(Object.entries(pairs));
        const stream = index.add(labels);
        expect(plain.get(stream)?.toString() ?? labels.toString()).toBe(labels.toString());
        plain.set(stream, labels);
      }
      expect(new Set([...plain.values()].map(String)).size).toBe(plain.size);
      for (const at of deletions) {
        const stream = [...plain.keys()][at % (plain.size || 1)];
        if (stream === undefined) break;
        plain.delete(stream);
        index.streams.delete(stream);
      }
      expect(index.streams.size).toBe(plain.size);
      const values = new Set([...plain.values()].flatMap((labels) => [...labels].map(String)));
      expect(index.streams.values.size).toBe(values.size);
      for (const selector of selectors) {
        const accepts = compileMatchers(selector);
        const expected = [...plain].filter(([, labels]) => accepts(labels)).map(([stream]) => stream);
        const selected = index.select(selector.map(compileMatcher));
        expect(selected.sort(byNumber)).toEqual(expected.sort(byNumber));
        const texts = selected.map((stream) =>
          Labels.fromPairs(index.streams.pairs(stream, new Map())).toString(),
        );
        expect(texts).toEqual(selected.map((stream) => plain.get(stream)!.toString()));
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
  const index = new TestStreams();
  for (let i = 0; i < 10_000; i++) {
    const labels = { app: `app-${i % 500}`, pod: `pod-${i}`, ...(i < 2 ? { rare: `${i}` } : {}) };
    index.add(Labels.fromPairs(Object.entries(labels)));
  }
  let tests = 0;
  const counted = selector.map(([name, op, text]): StringMatcher => {
    const compiled = compileMatcher({ name, op, value: text });
    return { ...compiled, matches: (each) => (tests++, compiled.matches(each)) };
  });
  expect(index.select(counted)).toHaveLength(count);
  expect(tests).toBeLessThanOrEqual(testsMax);
});

// A pattern took milliseconds for each of thousands of label values, all in one turn of the main thread.
test.each([
  ['all streams of the tenant', [{ name: 'pod', op: '=~', value: '.*1.*[05]' }], 2_000],
  [
    'the streams of another matcher',
    [
      { name: 'app', op: '=', value: 'app-7' },
      { name: 'pod', op: '=~', value: '.*1.*[05]' },
    ],
    20,
  ],
] as const)('patterns run on values in slices: %s', (_, matchers, tests) => {
  const index = new TestStreams();
  const addPods = (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      index.add(Labels.fromPairs([['app', `app-${i % 100}`], ['pod', `pod-${i}`]])); // prettier-ignore
    }
  };
  addPods(0, 2_000);
  const counted: string[] = [];
  const compiled = matchers.map((each) => {
    const matcher = compileMatcher(each);
    if (matcher.size === 0) return matcher;
    const matches = (text: string) => {
      if (text !== '') counted.push(text);
      return matcher.matches(text);
    };
    return { ...matcher, matches };
  });
  const tenant = index.streams.tenants.get('a')!;
  const work = testedMatchers(index.streams, tenant, compiled);
  let slices = 0;
  let step = work.next();
  for (; !step.done; step = work.next()) slices++;
  expect([slices, counted.length]).toEqual([tests, tests]);
  addPods(2_000, 2_100);
  const expected = index.select(matchers.map(compileMatcher)).sort(byNumber);
  expect(index.select(step.value).sort(byNumber)).toEqual(expected);
  // Streams that came meanwhile alone.
  expect(counted.length - tests).toBeLessThanOrEqual(100);
});
