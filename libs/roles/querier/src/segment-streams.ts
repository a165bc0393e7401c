/** The streams of committed segments, from memory, a cache or a scan: step *fetch, scan* of a query. */
import type { SegmentRef } from '@loki/catalog';
import { mergeStreamVolumes } from '@loki/engine';
import type { Work } from '@loki/engine';
import type { StreamsRequest, StreamVolume } from '@loki/ports';
import { cachedStreams } from './cached-streams.ts';
import type { KeptAnswers } from './kept-results.ts';
import type { SegmentScans } from './segment-scans.ts';
import { holdsWhole, segmentStreamsKey, SegmentStreamsCache } from './segment-streams-cache.ts';

/** Segments that threads read at once: these are opened by their own tasks. */
const listedAtOnce = 4;

/** A question for streams, and the means to answer it. */
interface StreamsQuestion {
  readonly request: StreamsRequest;
  /** Undefined: lists of segments are not kept. */
  readonly keptAnswers: KeptAnswers | undefined;
  readonly signal: AbortSignal | undefined;
  /** Runs slices of work on this thread. */
  readonly complete: <T>(work: Work<T>) => Promise<T>;
}

type StreamList = readonly StreamVolume[];

/** Lists of streams by segment. */
export class SegmentStreams {
  readonly #scans: SegmentScans;
  readonly #cache = new SegmentStreamsCache();

  constructor(scans: SegmentScans) {
    this.#scans = scans;
  }

  /** The streams of the segments and of heads, each once. */
  async withHeads(
    question: StreamsQuestion,
    segments: readonly SegmentRef[],
    headLists: readonly StreamList[],
  ): Promise<StreamList> {
    const { request, complete } = question;
    const storedLists = await this.#lists(question, segments);
    const isWhole = segments.map((segment) => holdsWhole(request, segment));
    const whole = await complete(this.#cache.merged(storedLists.filter((_, i) => isWhole[i])));
    const partial = [...storedLists.filter((_, i) => !isWhole[i]), ...headLists];
    const parts = partial.filter((list) => list.length > 0);
    // The streams of one head, each once and counted whole.
    if (whole.length === 0 && parts.length === 1 && headLists.includes(parts[0])) return parts[0];
    return parts.length === 0 ? whole : complete(mergeStreamVolumes([whole, ...parts]));
  }

  #lists(question: StreamsQuestion, segments: readonly SegmentRef[]): Promise<StreamList[]> {
    const { request, keptAnswers, complete, signal } = question;
    const { tenant } = request;
    const openAhead = this.#scans.opensAhead
      ? (next: readonly SegmentRef[]) => this.#scans.openAhead({ tenant }, next.slice(listedAtOnce), signal)
      : undefined;
    const scan = (segment: SegmentRef) => this.#list(question, segment);
    const segmentStreams = this.#cache;
    if (!keptAnswers) {
      openAhead?.(segmentStreams.lacking(request, segments));
      return Promise.all(segments.map(scan));
    }
    return cachedStreams(request, segments, { ...keptAnswers, segmentStreams, openAhead, scan, complete });
  }

  async #list({ request, signal }: StreamsQuestion, segment: SegmentRef): Promise<StreamList> {
    const key = segmentStreamsKey(request, segment);
    const cached = key === undefined ? undefined : this.#cache.get(key);
    if (cached) return cached;
    const streams = await this.#scans.streams(request, segment, signal);
    if (key !== undefined) this.#cache.put(key, streams);
    return streams;
  }
}
