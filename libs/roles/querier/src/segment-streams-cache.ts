/** In-memory cache of stream lists for whole segments: step *recall* of requests about streams. */
import type { SegmentRef } from '@loki/catalog';
import { floorTo, mergeStreamVolumes } from '@loki/engine';
import type { Work } from '@loki/engine';
import type { StreamsRequest, StreamVolume } from '@loki/ports';

/** Maximum of cached streams and answers: some 300 bytes each. An answer without streams counts too. */
const entriesMax = 200_000;
/** Number of label values that count as one stream. */
const valuesPerEntry = 4;

/**
 * Answers of whole segments to requests about streams. A segment never changes, and Grafana requests the same
 * labels, values and volumes again and again: a cached answer needs no read and no worker. Evicts the least
 * recently used.
 */
export class SegmentStreamsCache {
  readonly #lists = new Map<string, readonly StreamVolume[]>();
  readonly #merges = new WeakMap<readonly StreamVolume[], Merge>();
  #count = 0;

  /** Number of cached answers. */
  get size(): number {
    return this.#lists.size;
  }

  get(key: string): readonly StreamVolume[] | undefined {
    const list = this.#lists.get(key);
    if (!list) return undefined;
    this.#lists.delete(key);
    this.#lists.set(key, list);
    return list;
  }

  /** The segments without a cached answer to the request. */
  lacking(request: StreamsRequest, segments: readonly SegmentRef[]): SegmentRef[] {
    return segments.filter((segment) => {
      const key = segmentStreamsKey(request, segment);
      return key === undefined || !this.#lists.has(key);
    });
  }

  put(key: string, list: readonly StreamVolume[]): void {
    if (entriesOf(list) > entriesMax) return;
    this.#count += entriesOf(list) - entriesOf(this.#lists.get(key));
    this.#lists.delete(key);
    this.#lists.set(key, list);
    for (const [oldest, oldestList] of this.#lists) {
      if (this.#count <= entriesMax) break;
      this.#lists.delete(oldest);
      this.#count -= entriesOf(oldestList);
    }
  }

  /** Merges the lists. The merged list of cached lists is cached, too. */
  *merged(lists: readonly (readonly StreamVolume[])[]): Work<readonly StreamVolume[]> {
    if (lists.length <= 1) return lists[0] ?? [];
    const cached = this.#merges.get(lists[0]);
    if (cached?.lists.length === lists.length && cached.lists.every((list, i) => list === lists[i])) {
      return cached.all;
    }
    const all = yield* mergeStreamVolumes(lists);
    this.#merges.set(lists[0], { lists, all });
    return all;
  }
}

function entriesOf(list: readonly StreamVolume[] | undefined): number {
  if (!list) return 0;
  let values = 0;
  for (const each of list) values += each.values?.length ?? 0;
  return list.length + 1 + Math.ceil(values / valuesPerEntry);
}

/** Cached as long as the first of its lists. */
interface Merge {
  readonly lists: readonly (readonly StreamVolume[])[];
  readonly all: readonly StreamVolume[];
}

/** Whether the range contains the whole segment: then the answer holds for every range around it. */
export function holdsWhole({ startNs, endNs }: StreamsRequest, segment: SegmentRef): boolean {
  return !segment.clip && segment.minNs >= startNs && segment.maxNs < endNs;
}

/**
 * The key of an answer that holds for every range around the segment; undefined when the range contains only
 * a part of it.
 */
export function segmentStreamsKey(request: StreamsRequest, segment: SegmentRef): string | undefined {
  if (!holdsWhole(request, segment)) return undefined;
  return [request.tenant, segment.key, ...formOf(request), request.selector].join('\0');
}

/**
 * The form of the answer: width and start of the buckets of volumes, and groups.
 */
export function formOf({ startNs, volume, group }: StreamsRequest): (bigint | string)[] {
  const groups = group ? JSON.stringify([group.by, group.withValues ?? false, ...(group.names ?? [])]) : '';
  if (!volume) return ['', '', groups];
  const { stepNs } = volume;
  return [stepNs, stepNs > 0n ? floorTo(startNs, stepNs) : '', groups];
}
