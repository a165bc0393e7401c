/**
 * Protects: what another process, or this one before it restarted, found out about whole segments is not
 * read again.
 */
import type { SegmentRef } from '@loki/catalog';
import { atOnce } from '@loki/engine';
import type { TenantId } from '@loki/model';
import type { CachePolicy, ResultsCache, StreamsRequest, StreamVolume } from '@loki/ports';
import { cachedStreams } from './cached-streams.ts';
import { CheckedResultsCache } from './checked-results-cache.ts';
import { SegmentStreamsCache, segmentStreamsKey } from './segment-streams-cache.ts';

const segment = (key: string, minNs: bigint, maxNs: bigint) =>
  ({ key, minNs, maxNs, createdMs: 0, sizeBytes: 1 }) as SegmentRef;
const [old, older, cut, young] = [
  segment('old', 110n, 120n),
  segment('older', 101n, 109n),
  segment('cut', 90n, 105n),
  segment('young', 150n, 180n),
];
const request: StreamsRequest = { tenant: 'a' as TenantId, selector: '{a="b"}', startNs: 100n, endNs: 200n };
const policy: CachePolicy = { kind: 'labels', splitNs: 1000n, newestNs: 160n };

let values: Map<string, Uint8Array>;
let scanned: string[];
beforeEach(() => {
  values = new Map();
  scanned = [];
});

function process(generation = 0) {
  const cache: ResultsCache = {
    get: (keys) => Promise.resolve(keys.map((key) => values.get(key))),
    put: (entries) => entries.forEach(({ key, value }) => values.set(key, value)),
    close: () => Promise.resolve(),
  };
  const results = new CheckedResultsCache(cache, { nowMs: () => 0, nowNs: () => 0n, monotonicMs: () => 0 });
  const segmentStreams = new SegmentStreamsCache();
  const scan = async (each: SegmentRef): Promise<readonly StreamVolume[]> => {
    const name = segmentStreamsKey(request, each);
    const list = name === undefined ? undefined : segmentStreams.get(name);
    if (list) return list;
    scanned.push(each.key);
    const streams = [{ labels: [['of', each.key] as const], entries: 1, lineBytes: 2 }];
    if (name !== undefined) segmentStreams.put(name, streams);
    return Promise.resolve(streams);
  };
  return (streamsRequest: StreamsRequest = request, segments = [cut, older, old, young]) =>
    cachedStreams(streamsRequest, segments, {
      results,
      policy,
      generation,
      segmentStreams,
      scan,
      complete: async (work) => atOnce(work),
    });
}

test('another process reads only what is cut by the range, or young', async () => {
  const first = await process()();
  expect(scanned).toEqual(['cut', 'older', 'old', 'young']);
  expect(values.size).toBe(1);
  scanned = [];
  const second = process();
  expect(await second()).toEqual(first);
  expect(scanned).toEqual(['cut', 'young']);
  scanned = [];
  expect(await second({ ...request, endNs: 210n })).toEqual(first);
  expect(scanned).toEqual(['cut']);
});

test('a segment more, another selector or another generation is read anew', async () => {
  await process()();
  scanned = [];
  await process()(request, [older, old, segment('late', 112n, 113n)]);
  expect(scanned).toEqual(['older', 'old', 'late']);
  scanned = [];
  await process()({ ...request, selector: '{a="c"}' }, [old, older]);
  await process(1)(request, [old, older]);
  expect(scanned).toHaveLength(4);
});

// A tenant may ask for any number of selectors that no stream has.
test('answers without streams are evicted, too', () => {
  const segmentStreams = new SegmentStreamsCache();
  for (let i = 0; i < 201_000; i++) segmentStreams.put(`segment ${i}`, []);
  expect(segmentStreams.size).toBe(200_000);
  expect(segmentStreams.get('segment 0')).toBeUndefined();
  expect(segmentStreams.get('segment 200999')).toEqual([]);
});
