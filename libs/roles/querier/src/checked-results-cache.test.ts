/**
 * Protects: an answer is given for exactly the question, the tenant and the data that it was computed from.
 */
import { atOnce } from '@loki/engine';
import { emptyLeafStats } from '@loki/ports';
import type { Clock, ResultsCache } from '@loki/ports';
import { CheckedResultsCache, answerBytesMax, segmentsIn } from './checked-results-cache.ts';
import type { ResultsKey } from './checked-results-cache.ts';
import { segment } from './test/segment.ts';

class TestCache implements ResultsCache {
  values = new Map<string, Uint8Array>();

  async get(keys: readonly string[]) {
    return Promise.resolve(keys.map((key) => this.values.get(key)));
  }

  put(entries: readonly { readonly key: string; readonly value: Uint8Array }[]): void {
    for (const { key, value } of entries) this.values.set(key, value);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const clock: Clock = { nowMs: () => 0, nowNs: () => 0n, monotonicMs: () => 0 };
const key: ResultsKey = {
  tenant: 'a',
  question: ['samples', 'rate({a="b"}[1m])', 5n],
  window: { startNs: 100n, endNs: 200n },
  segments: [segment],
  deletes: [{ expr: '{a="c"}', startNs: 0n, endNs: 150n }],
  generation: 1,
};
const answer = Buffer.from('answer');

async function lookUp(results: CheckedResultsCache, key: ResultsKey): Promise<string | undefined> {
  const [value] = atOnce(await results.get([key], emptyLeafStats()));
  return value && Buffer.from(value).toString();
}

let cache: TestCache;
let results: CheckedResultsCache;
beforeEach(() => {
  cache = new TestCache();
  results = new CheckedResultsCache(cache, clock);
  atOnce(results.put([{ key, answer }], emptyLeafStats()));
});

test('a stored answer is found, and counted', async () => {
  const stats = emptyLeafStats();
  const values = atOnce(await results.get([key, { ...key, tenant: 'b' }], stats));
  expect(values.map((value) => value && Buffer.from(value).toString())).toEqual(['answer', undefined]);
  expect(stats).toMatchObject({
    cacheRequests: 1,
    cacheEntriesRequested: 2,
    cacheEntriesFound: 1,
    cacheServedNs: 100,
  });
});

test.each<[string, ResultsKey]>([
  ['tenant', { ...key, tenant: 'ab' }],
  ['question', { ...key, question: ['samples', 'rate({a="b"}[1m])', 6n] }],
  ['question cut elsewhere', { ...key, question: ['samples', 'rate({a="b"}[1m])5'] }],
  ['window', { ...key, window: { startNs: 100n, endNs: 201n } }],
  ['further segment', { ...key, segments: [segment, { ...segment, key: 'segments/0/9-12-b' }] }],
  ['other segment', { ...key, segments: [{ ...segment, key: 'segments/0/0-9-b' }] }],
  [
    'segment that is read in part',
    { ...key, segments: [{ ...segment, clip: { startNs: 0n, endNs: 120n } }] },
  ],
  ['object of the same name in another store', { ...key, segments: [{ ...segment, createdMs: 7 }] }],
  ['further delete', { ...key, deletes: [...key.deletes!, { expr: '{}', startNs: 199n, endNs: 300n }] }],
  ['delete that spares streams', { ...key, deletes: [{ ...key.deletes![0], except: ['{x="y"}'] }] }],
  ['delete that reaches further into the window', { ...key, deletes: [{ ...key.deletes![0], endNs: 151n }] }],
  ['generation', { ...key, generation: 2 }],
])('another %s is another question', async (_, other) => {
  expect(await lookUp(results, other)).toBeUndefined();
});

test.each<[string, ResultsKey]>([
  ['reaches further back', { ...key, deletes: [{ ...key.deletes![0], startNs: -5n }] }],
  [
    'has nothing to do with the window',
    { ...key, deletes: [...key.deletes!, { expr: '{}', startNs: 200n, endNs: 300n }] },
  ],
])('a delete that %s makes no difference', async (_, other) => {
  expect(await lookUp(results, other)).toBe('answer');
});

test('no flipped bit is believed, nor a value that stands under a wrong key', async () => {
  const [[name, value]] = cache.values;
  for (let bit = 0; bit < value.length * 8; bit++) {
    const flipped = Uint8Array.from(value);
    flipped[bit >> 3] ^= 1 << (bit & 7);
    cache.values.set(name, flipped);
    expect(await lookUp(results, key)).toBeUndefined();
  }
  const other = { ...key, tenant: 'b' };
  atOnce(results.put([{ key: other, answer: Buffer.from('of b') }], emptyLeafStats()));
  const [foreign] = [...cache.values.keys()].filter((each) => each !== name);
  cache.values.set(name, cache.values.get(foreign)!);
  expect(await lookUp(results, key)).toBeUndefined();
  for (let length = 0; length < value.length; length++) {
    cache.values.set(name, value.subarray(0, length));
    expect(await lookUp(results, key)).toBeUndefined();
  }
});

test('too large an answer is not cached', async () => {
  const large = { ...key, tenant: 'large' };
  atOnce(results.put([{ key: large, answer: new Uint8Array(answerBytesMax + 1) }], emptyLeafStats()));
  expect(await lookUp(results, large)).toBeUndefined();
});

test('segments count where their rows may stand', () => {
  const clipped = { ...segment, clip: { startNs: 150n, endNs: 160n } };
  const at = (startNs: bigint, endNs: bigint) => segmentsIn([segment, clipped], { startNs, endNs }).length;
  expect([
    at(0n, 100n),
    at(0n, 101n),
    at(200n, 300n),
    at(201n, 300n),
    at(155n, 156n),
    at(160n, 170n),
  ]).toEqual([0, 1, 1, 0, 2, 1]);
});
