/** Chooses the worker thread for a segment, so that its cached blocks are reused. */
import type { SegmentRef } from '@loki/catalog';

/** Maximum of segments with an assigned thread; one takes some 200 bytes. */
const segmentsMax = 10_000;

/**
 * Assigns a thread to each segment: always the same one, so that its cache has the decoded blocks. All
 * threads get about the same number of bytes. A hash of the keys was worse: it often gave the few segments of
 * a day to one thread.
 */
export class SegmentThreads {
  readonly #bytes: number[];
  /** From the least to the most recently read. */
  readonly #places = new Map<string, { readonly thread: number; readonly bytes: number }>();

  constructor(threads: number) {
    this.#bytes = Array.from({ length: threads }, () => 0);
  }

  /** Whether a thread was chosen for the segment, whose footer it has probably read. */
  has({ key }: Pick<SegmentRef, 'key'>): boolean {
    return this.#places.has(key);
  }

  /** The number of the thread. */
  of({ key, sizeBytes }: Pick<SegmentRef, 'key' | 'sizeBytes'>): number {
    const place = this.#places.get(key) ?? this.#assign(sizeBytes);
    this.#places.delete(key);
    this.#places.set(key, place);
    if (this.#places.size > segmentsMax) {
      const [oldest, { thread, bytes }] = this.#places.entries().next().value!;
      this.#places.delete(oldest);
      this.#bytes[thread] -= bytes;
    }
    return place.thread;
  }

  #assign(bytes: number): { readonly thread: number; readonly bytes: number } {
    let thread = 0;
    for (let i = 1; i < this.#bytes.length; i++) if (this.#bytes[i] < this.#bytes[thread]) thread = i;
    this.#bytes[thread] += bytes;
    return { thread, bytes };
  }
}
