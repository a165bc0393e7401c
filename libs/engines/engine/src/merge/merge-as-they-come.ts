import type { LeafRequest, LeafResult } from '@loki/ports';
import { memoryBytesOf, tooMuchMemory } from '../common/memory-budget.ts';
import type { MemoryBudget } from '../common/memory-budget.ts';
import type { QueryThread } from '../common/query-thread.ts';
import type { Work } from '../common/sliced-work.ts';
import { mergeLeafResults } from './merge-leaf-results.ts';
import { packedBytes, unpackLeafResult } from './packed-result.ts';
import type { PackedLeafResult } from './packed-result.ts';
import { resultBytes } from './result-bytes.ts';

/** Results merged in one go: each merge copies what was merged before. */
const mergedAtOnce = 8;

interface MergeOptions {
  /** Parts that run side by side. */
  readonly atOnce: number;
  /** The one that merges. */
  readonly thread: QueryThread;
  readonly signal?: AbortSignal;
}

/**
 * Runs a leaf over its parts, a few at a time, and merges their results as they come, in the parts' order: a
 * query over a thousand segments holds its answer and the results of some parts, not a thousand results.
 *
 * @param runPart gets the part's number, and a signal that also ends the parts that run when one of them
 *   fails
 * @throws LokiError badRequest when what is held is more than the query's memory; whatever a part throws
 */
export async function mergeAsTheyCome(
  request: LeafRequest,
  parts: number,
  runPart: (part: number, signal: AbortSignal) => Promise<PackedLeafResult>,
  { atOnce, thread, signal }: MergeOptions,
): Promise<LeafResult> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const merger = new OrderedMerger(request, thread, either);
  let next = 0;
  const work = async () => {
    while (next < parts) {
      const part = next++;
      await merger.add(part, await runPart(part, either));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, Math.min(atOnce, parts)) }, work));
    return await merger.finish();
  } catch (error) {
    stop.abort(error);
    throw error;
  } finally {
    merger.close();
  }
}

/** Results of numbered parts: those at the beginning merged, later ones as they came. */
class OrderedMerger {
  readonly #request: LeafRequest;
  readonly #thread: QueryThread;
  readonly #signal: AbortSignal;
  /** Of all queries that merge on the thread. */
  readonly #memory: MemoryBudget;
  /** A merge holds what it is made from beside what it makes, so it is twice the query's. */
  readonly #bytesMax: number;
  #heldBytes = 0;
  /** Of the parts before `#mergedUpTo`. */
  #merged: LeafResult | undefined;
  #mergedBytes = 0;
  #mergedUpTo = 0;
  readonly #waiting = new Map<number, { readonly result: LeafResult; readonly bytes: number }>();
  /** One step at a time: the next begins when this one has ended. */
  #last: Promise<void> = Promise.resolve();

  constructor(request: LeafRequest, thread: QueryThread, signal: AbortSignal) {
    this.#request = request;
    this.#thread = thread;
    this.#signal = signal;
    this.#memory = thread.memory.open();
    this.#bytesMax = 2 * memoryBytesOf(request);
  }

  /** Resolves when the result is taken in; the part's successor should not begin before. */
  add(part: number, packed: PackedLeafResult): Promise<void> {
    const bytes = packedBytes(packed);
    this.#memory.charge(bytes);
    return this.#next(async () => {
      await this.#take(part, packed);
      this.#memory.release(bytes);
      if (this.#waiting.size >= mergedAtOnce || this.#heldBytes > this.#bytesMax) await this.#mergeReady();
      if (this.#heldBytes > this.#bytesMax) throw tooMuchMemory(memoryBytesOf(this.#request));
    });
  }

  async finish(): Promise<LeafResult> {
    await this.#next(() => this.#mergeReady());
    return this.#merged ?? this.#complete(mergeLeafResults(this.#request, []));
  }

  /** The holder of the result counts it from now on. */
  close(): void {
    this.#memory.close();
  }

  #next(step: () => Promise<void>): Promise<void> {
    return (this.#last = this.#last.then(step));
  }

  async #take(part: number, packed: PackedLeafResult): Promise<void> {
    const labels = this.#thread.memory.open();
    try {
      const result = await this.#complete(unpackLeafResult(packed, labels));
      const bytes = await this.#complete(resultBytes(result));
      this.#waiting.set(part, { result, bytes });
      this.#heldBytes += bytes;
      this.#memory.charge(bytes);
    } finally {
      labels.close();
    }
  }

  /** Merges the results that follow on what is merged. */
  async #mergeReady(): Promise<void> {
    const ready: LeafResult[] = this.#merged ? [this.#merged] : [];
    let freed = this.#mergedBytes;
    for (let entry = this.#shift(); entry; entry = this.#shift()) {
      ready.push(entry.result);
      freed += entry.bytes;
    }
    if (ready.length === 0) return;
    const merged = await this.#complete(mergeLeafResults(this.#request, ready, this.#thread.memory));
    this.#merged = merged;
    this.#mergedBytes = await this.#complete(resultBytes(merged));
    this.#heldBytes += this.#mergedBytes - freed;
    this.#memory.release(freed);
    this.#memory.charge(this.#mergedBytes);
  }

  #shift() {
    const entry = this.#waiting.get(this.#mergedUpTo);
    if (entry) this.#waiting.delete(this.#mergedUpTo++);
    return entry;
  }

  #complete<T>(work: Work<T>): Promise<T> {
    return this.#thread.complete(work, () => this.#signal.throwIfAborted());
  }
}
