import type { LeafRequest, LeafResult } from '@loki/ports';
import { memoryBytesOf, resultBytes, tooMuchMemory } from '../common/memory-budget.ts';
import { mergeLeafResults } from './merge-leaf-results.ts';

/** Results merged in one go: each merge copies what was merged before. */
const mergedAtOnce = 8;

interface MergeOptions {
  /** Parts that run side by side. */
  readonly atOnce: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs a leaf over its parts, a few at a time, and merges what they give as it comes, in the parts' order: a
 * query over a thousand segments holds its answer and the results of some parts, not a thousand results.
 *
 * @param runPart gets the part's number, and a signal that also ends the parts that run when one of them
 *   fails
 * @throws LokiError badRequest when what is held is more than the query's memory; whatever a part throws
 */
export async function mergeAsTheyCome(
  request: LeafRequest,
  parts: number,
  runPart: (part: number, signal: AbortSignal) => Promise<LeafResult>,
  { atOnce, signal }: MergeOptions,
): Promise<LeafResult> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const merger = new OrderedMerger(request);
  let next = 0;
  const work = async () => {
    while (next < parts) {
      const part = next++;
      merger.add(part, await runPart(part, either));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, Math.min(atOnce, parts)) }, work));
  } catch (error) {
    stop.abort(error);
    throw error;
  }
  return merger.finish();
}

/** Results of numbered parts: those at the beginning merged, later ones as they came. */
class OrderedMerger {
  readonly #request: LeafRequest;
  /** A merge holds what it is made from beside what it makes, so it is twice the query's. */
  readonly #bytesMax: number;
  #heldBytes = 0;
  /** Of the parts before `#mergedUpTo`. */
  #merged: LeafResult | undefined;
  #mergedBytes = 0;
  #mergedUpTo = 0;
  readonly #waiting = new Map<number, { readonly result: LeafResult; readonly bytes: number }>();

  constructor(request: LeafRequest) {
    this.#request = request;
    this.#bytesMax = 2 * memoryBytesOf(request);
  }

  add(part: number, result: LeafResult): void {
    const bytes = resultBytes(result);
    this.#waiting.set(part, { result, bytes });
    this.#heldBytes += bytes;
    if (this.#waiting.size >= mergedAtOnce || this.#heldBytes > this.#bytesMax) this.#mergeReady();
    if (this.#heldBytes > this.#bytesMax) throw tooMuchMemory(memoryBytesOf(this.#request));
  }

  finish(): LeafResult {
    this.#mergeReady();
    return this.#merged ?? mergeLeafResults(this.#request, []);
  }

  /** Merges the results that follow on what is merged. */
  #mergeReady(): void {
    const ready: LeafResult[] = this.#merged ? [this.#merged] : [];
    let freed = this.#mergedBytes;
    for (let entry = this.#take(); entry; entry = this.#take()) {
      ready.push(entry.result);
      freed += entry.bytes;
    }
    if (ready.length === 0) return;
    this.#merged = mergeLeafResults(this.#request, ready);
    this.#mergedBytes = resultBytes(this.#merged);
    this.#heldBytes += this.#mergedBytes - freed;
  }

  #take() {
    const entry = this.#waiting.get(this.#mergedUpTo);
    if (entry) this.#waiting.delete(this.#mergedUpTo++);
    return entry;
  }
}
