/** Protects: a list of streams is reused only for requests with the same answer, within its bound. */
import { atOnce } from '@loki/engine';
import type { TenantId } from '@loki/model';
import { segmentStreamsKey, SegmentStreamsCache } from './segment-streams-cache.ts';
import { segment } from './test/segment.ts';

const request = { tenant: 'a' as TenantId, selector: '', startNs: 100n, endNs: 201n };

describe('what whole segments answered', () => {
  test('holds for any range around the segment, and for none that cuts it', () => {
    expect(segmentStreamsKey(request, segment)).toBe(
      segmentStreamsKey({ ...request, startNs: 0n, endNs: 999n }, segment),
    );
    expect(segmentStreamsKey({ ...request, startNs: 101n }, segment)).toBeUndefined();
    expect(segmentStreamsKey({ ...request, endNs: 200n }, segment)).toBeUndefined();
    expect(segmentStreamsKey(request, { ...segment, clip: { startNs: 0n, endNs: 999n } })).toBeUndefined();
  });

  test('tenants, selectors and steps do not meet', () => {
    const keys = [
      request,
      { ...request, tenant: 'b' as TenantId },
      { ...request, selector: '{a="b"}' },
      { ...request, volume: { stepNs: 0n } },
      { ...request, volume: { stepNs: 60n } },
    ].map((each) => segmentStreamsKey(each, segment));
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('buckets that begin elsewhere do not meet: they are numbered from the start of the range', () => {
    const by = (startNs: bigint, stepNs: bigint) =>
      segmentStreamsKey({ ...request, startNs, volume: { stepNs } }, segment);
    expect(by(60n, 60n)).toBe(by(99n, 60n));
    expect(by(59n, 60n)).not.toBe(by(60n, 60n));
    expect(by(1n, 0n)).toBe(by(99n, 0n));
  });

  test('is bounded: the longest unused go first', () => {
    const knownStreams = new SegmentStreamsCache();
    const list = Array.from({ length: 90_000 }, () => ({ labels: [], entries: 1, lineBytes: 1 }));
    knownStreams.put('a', list);
    knownStreams.put('b', list);
    expect(knownStreams.get('a')).toBe(list);
    knownStreams.put('c', list);
    expect(knownStreams.get('b')).toBeUndefined();
    expect(knownStreams.get('a')).toBe(list);
    expect(knownStreams.get('c')).toBe(list);
  });

  test('are merged once, and anew when one of them is another', () => {
    const knownStreams = new SegmentStreamsCache();
    const list = (entries: number) => [{ labels: [['a', 'b'] as const], entries, lineBytes: 1 }];
    const lists = [list(1), list(2), list(3)];
    const all = atOnce(knownStreams.merged(lists));
    expect(all).toEqual([{ labels: [['a', 'b']], entries: 6, lineBytes: 3 }]);
    expect(atOnce(knownStreams.merged([...lists]))).toBe(all);
    expect(atOnce(knownStreams.merged([lists[0], lists[1], list(4)]))).toEqual([
      { labels: [['a', 'b']], entries: 7, lineBytes: 3 },
    ]);
    expect(atOnce(knownStreams.merged([lists[0]]))).toBe(lists[0]);
    expect(atOnce(knownStreams.merged([]))).toEqual([]);
  });
});
