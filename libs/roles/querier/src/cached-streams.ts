/** Reuses cached lists of streams, one for each segment: step *recall* of a query. */
import type { SegmentRef } from '@loki/catalog';
import type { Work } from '@loki/engine';
import { emptyLeafStats } from '@loki/ports';
import type { CachePolicy, StreamsRequest, StreamVolume } from '@loki/ports';
import { answerBytesMax } from './checked-results-cache.ts';
import type { ResultsKey } from './checked-results-cache.ts';
import type { KeptAnswers } from './kept-results.ts';
import { decodeStreams, encodeStreams } from './results-codec.ts';
import { formOf, segmentStreamsKey } from './segment-streams-cache.ts';
import type { SegmentStreamsCache } from './segment-streams-cache.ts';

interface CachedStreamsScan extends KeptAnswers {
  /** This process's answers for single segments. */
  readonly segmentStreams: SegmentStreamsCache;
  /** Begins to open segments that are scanned next. */
  readonly openAhead?: (segments: readonly SegmentRef[]) => void;
  readonly scan: (segment: SegmentRef) => Promise<readonly StreamVolume[]>;
  /** Runs slices of work on this thread. */
  readonly complete: <T>(work: Work<T>) => Promise<T>;
}

/**
 * Lists of streams, one for each segment. Segments that lie completely in the range are cached together, by
 * the interval in which they end: a request needs few keys. The answer for a segment that crosses an end of
 * the range depends on that end, which differs in each request, and is not cached.
 */
export async function cachedStreams(
  request: StreamsRequest,
  segments: readonly SegmentRef[],
  { results, policy, generation, segmentStreams, openAhead, scan, complete }: CachedStreamsScan,
): Promise<(readonly StreamVolume[])[]> {
  const groups = groupWhole(request, segments, policy);
  const unknown = groups.filter((group) =>
    group.some((ref) => !segmentStreams.get(segmentStreamsKey(request, ref)!)),
  );
  const keys = unknown.map((group) => keyOf(request, group, generation));
  const stats = emptyLeafStats();
  const answers = await complete(await results.get(keys, stats));
  const missing: { readonly group: readonly SegmentRef[]; readonly key: ResultsKey }[] = [];
  for (const [i, group] of unknown.entries()) {
    const answer = answers[i];
    const lists = answer && (await complete(decodeStreams(answer, group.length)));
    if (lists) group.forEach((ref, at) => segmentStreams.put(segmentStreamsKey(request, ref)!, lists[at]));
    else missing.push({ group, key: keys[i] });
  }
  openAhead?.(segmentStreams.lacking(request, segments));
  const listsBySegment = new Map<SegmentRef, readonly StreamVolume[]>();
  await Promise.all(segments.map(async (segment) => void listsBySegment.set(segment, await scan(segment))));
  const entries = [];
  for (const { group, key } of missing) {
    const lists = group.map((ref) => listsBySegment.get(ref)!);
    entries.push({ key, answer: await complete(encodeStreams(lists, answerBytesMax)) });
  }
  await complete(results.put(entries, stats));
  return segments.map((segment) => listsBySegment.get(segment)!);
}

/** Segments whose answers hold for any range around them, and that are older than `newestNs`. */
function groupWhole(
  request: StreamsRequest,
  segments: readonly SegmentRef[],
  { splitNs, newestNs }: CachePolicy,
): SegmentRef[][] {
  const groups = new Map<bigint, SegmentRef[]>();
  for (const segment of segments) {
    if (segmentStreamsKey(request, segment) === undefined || segment.maxNs >= newestNs) continue;
    const interval = splitNs > 0n ? segment.maxNs / splitNs : 0n;
    const group = groups.get(interval);
    if (group) group.push(segment);
    else groups.set(interval, [segment]);
  }
  return [...groups.values()];
}

function keyOf(request: StreamsRequest, segments: readonly SegmentRef[], generation: number): ResultsKey {
  // Covers whole segments: the answer does not depend on the ends of the range.
  const window = { startNs: segments[0].minNs, endNs: segments[0].minNs };
  const { tenant, selector } = request;
  const question = ['streams', selector, ...formOf(request)];
  return { tenant, question, window, segments, generation };
}
