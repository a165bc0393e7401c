import fc from 'fast-check';
import { Drain } from './drain.ts';
import type { LineCluster } from './drain.ts';
import { joinTokens, kindsOf, lineCharsMax, tokenize, wildcard, wordKinds, wordsMax } from './tokens.ts';

// Protects patterns: they show the common parts of lines, match their lines, and take bounded memory for any
// input.

function patternsOf(lines: readonly string[], clustersMax = 100): string[] {
  const drain = new Drain({ clustersMax });
  for (const line of lines) drain.train(tokenize(line)!);
  return [...drain.clusters].map(joinTokens);
}

test.each([
  ['users that come and go', ['user ann logged in', 'user bob logged in'], ['user <_> logged in']],
  ['numbers', ['took 15ms for 3 rows', 'took 7ms for 12 rows'], ['took <_> for <_> rows']],
  ['what never differs stays', ['GET /a HTTP/1.1 200', 'GET /b/7 HTTP/1.1 200'], ['GET <_> HTTP/1.1 200']],
  ['a word in a place where numbers stood', ['GET /7 ok', 'GET /8 ok', 'GET /a ok'], ['GET <_> ok']],
  ['different messages', ['order placed', 'order rejected'], ['order placed', 'order rejected']],
  [
    'messages between keys',
    ['level=info msg="order placed" id=1', 'level=info msg="card declined" id=2'],
    ['level=info msg="order placed" id=1', 'level=info msg="card declined" id=2'],
  ],
  ['JSON', ['{"msg":"up","n":1}', '{"msg":"up","n":22}'], ['{"msg":"up","n":<_>}']],
  ['keys that differ', ['a=1 b=2', 'a=3 c=4'], ['a=1 b=2', 'a=3 c=4']],
  ['other separators', ['a: 1', 'a, 2'], ['a: 1', 'a, 2']],
])('%s', (_, lines, expected) => {
  expect(patternsOf(lines)).toEqual(expected);
});

const word = fc.constantFrom('a', 'b', 'user', 'GET', '12', 'x9', 'ż', '_', ':', '10:30', '\\', '<_>');
const separator = fc.constantFrom(' ', '=', '"', '": "', ', ', '  ', '(', '\n', ':');
const line = fc
  .array(fc.oneof(word, separator, fc.string({ maxLength: 3 })), { maxLength: 30 })
  .map((parts) => parts.join(''));

test('the tokens of a line join to the same line', () => {
  fc.assert(
    fc.property(line, (text) => {
      const tokens = tokenize(text);
      if (tokens) {
        expect(joinTokens(tokens)).toBe(text);
        expect(tokens.separators).toHaveLength(tokens.words.length + 1);
        expect(tokens.separators.slice(1, -1)).not.toContain('');
      }
    }),
    { numRuns: 1000 },
  );
});

test('a pattern matches every line that it stands for, and stands for as many as there were', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
      const drain = new Drain({ clustersMax: 1000 });
      const trained: [string[], LineCluster][] = [];
      for (const text of lines) {
        const tokens = tokenize(text);
        if (!tokens) continue;
        const cluster = drain.train(tokens);
        cluster.counts.add(0, 1);
        trained.push([[...tokens.words], cluster]);
      }
      for (const [words, cluster] of trained) {
        expect(cluster.words).toHaveLength(words.length);
        cluster.words.forEach((each, i) => expect([wildcard, words[i]]).toContain(each));
      }
      let total = 0;
      for (const { counts } of drain.clusters) total += counts.total;
      expect(total).toBe(trained.length);
    }),
    { numRuns: 200 },
  );
});

test('patterns of parts, put together, are no finer than patterns of all', () => {
  const lines = Array.from(
    { length: 200 },
    (_, i) => `user u${i % 7} did ${['read', 'write'][i % 2]} on table t${i}`,
  );
  const whole = patternsOf(lines).sort();
  const merged = new Drain({ clustersMax: 100 });
  for (let start = 0; start < lines.length; start += 20) {
    const part = new Drain({ clustersMax: 100 });
    for (const each of lines.slice(start, start + 20)) part.train(tokenize(each)!);
    for (const cluster of part.clusters) merged.train(cluster, cluster.kinds);
  }
  expect([...merged.clusters].map(joinTokens).sort()).toEqual(whole);
});

test('a pattern does not wear away until it matches everything', () => {
  const words = ['alpha', 'beta', 'gamma', 'delta', 'omega', 'sigma'];
  const drain = new Drain({ clustersMax: 1000 });
  for (let i = 0; i < 500; i++) {
    const rest = Array.from({ length: 5 }, (_, k) => words[(i * (k + 3) + ((i / 7) | 0) * k) % words.length]);
    drain.train(tokenize(`start ${rest.join(' ')}`)!);
  }
  for (const cluster of drain.clusters) {
    expect(cluster.words.filter((each) => each === wildcard).length).toBeLessThanOrEqual(3);
  }
});

test('clusters are bounded, and the least recently seen one goes first', () => {
  const drain = new Drain({ clustersMax: 3 });
  for (const text of ['one', 'two', 'three', 'one', 'four']) drain.train(tokenize(text)!);
  expect([...drain.clusters].map(joinTokens)).toEqual(['three', 'one', 'four']);
  const many = new Drain({ clustersMax: 50 });
  for (let i = 0; i < 5000; i++) many.train(tokenize(`w${'x'.repeat(i % 90)}q ${'ab c'.repeat(i % 13)} k`)!);
  expect(many.clusters.size).toBeLessThanOrEqual(50);
  let bytes = 0;
  for (const { weight } of many.clusters) bytes += weight;
  expect(many.bytes).toBe(bytes);
});

test('lines that are too long, of too many words, or of none have no pattern', () => {
  expect(tokenize('x'.repeat(lineCharsMax + 1))).toBeUndefined();
  expect(tokenize('x '.repeat(wordsMax + 1))).toBeUndefined();
  expect(tokenize(' {} ')).toBeUndefined();
  expect(tokenize('')).toBeUndefined();
});

test('keys, numbers and words are distinguished', () => {
  const { plain, variable, key } = wordKinds;
  expect([...kindsOf(tokenize('level=info took=3ms')!)]).toEqual([key, plain, key, variable]);
  expect([...kindsOf(tokenize('{"msg": "up"} error: x')!)]).toEqual([key, plain, plain, plain]);
});
