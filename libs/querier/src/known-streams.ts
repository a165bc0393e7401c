import type { SegmentRef } from '@loki/catalog';
import type { StreamsRequest, StreamVolume } from '@loki/ports';

/** Streams kept over all answers: some 300 bytes each. */
const streamsMax = 200_000;

/**
 * What whole segments answered to stream questions. A segment never changes, and Grafana asks for the same labels,
 * values and volumes over and over: then nothing is read and no thread is asked. Least recently used go first.
 */
export class KnownStreams {
  readonly #lists = new Map<string, readonly StreamVolume[]>();
  #count = 0;

  get(key: string): readonly StreamVolume[] | undefined {
    const list = this.#lists.get(key);
    if (!list) return undefined;
    this.#lists.delete(key);
    this.#lists.set(key, list);
    return list;
  }

  put(key: string, list: readonly StreamVolume[]): void {
    if (list.length > streamsMax) return;
    this.#count += list.length - (this.#lists.get(key)?.length ?? 0);
    this.#lists.delete(key);
    this.#lists.set(key, list);
    for (const [oldest, { length }] of this.#lists) {
      if (this.#count <= streamsMax) break;
      this.#lists.delete(oldest);
      this.#count -= length;
    }
  }
}

/** Names an answer that holds for every range around the segment; undefined when the range cuts through it. */
export function knownKey(request: StreamsRequest, segment: SegmentRef): string | undefined {
  if (segment.clip || segment.minNs < request.startNs || segment.maxNs >= request.endNs) return undefined;
  return [request.tenant, segment.key, request.volume?.stepNs ?? '', request.selector].join('\0');
}
