/** Merges results of a leaf's parts while further parts run: step *merge* of a query. */
import type { LeafRequest, LeafResult } from '@loki/ports';
import { memoryBytesOf, tooMuchMemory } from '../common/memory-budget.ts';
import type { MemoryBudget } from '../common/memory-budget.ts';
import type { QueryThread } from '../common/query-thread.ts';
import type { Work } from '../common/sliced-work.ts';
import { mergeLeafResults } from './merge-leaf-results.ts';
import { packedBytes, unpackLeafResult } from './packed-result.ts';
import type { PackedLeafResult } from './packed-result.ts';
import { resultBytes } from './result-bytes.ts';

/** Results of one merge: each merge copies the merged result so far. */
const mergedAtOnce = 8;

interface MergeOptions {
  /** Batches that run in parallel. */
  readonly atOnce: number;
  /** The thread that merges. */
  readonly thread: QueryThread;
  readonly signal?: AbortSignal;
}

/**
 * Runs a leaf over its parts, a few at a time, and merges their results in the order of the parts: a query
 * over a thousand segments holds its answer and some results, not a thousand.
 *
 * @param batches numbers of parts that run together; each part is in one of them
 * @param runBatch receives the batch and a signal, which aborts when another one fails; returns a result for
 *   each part
 * @throws LokiError badRequest when the results exceed the query's memory; also every error of a part
 */
export async function mergeAsTheyCome(
  request: LeafRequest,
  batches: readonly (readonly number[])[],
  runBatch: (batch: number, signal: AbortSignal) => Promise<readonly PackedLeafResult[]>,
  { atOnce, thread, signal }: MergeOptions,
): Promise<LeafResult> {
  const stop = new AbortController();
  const anySignal = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const merger = new OrderedMerger(request, thread, anySignal);
  let next = 0;
  const work = async () => {
    while (next < batches.length) {
      const batch = next++;
      const results = await runBatch(batch, anySignal);
      // All are charged at once: they are all held.
      await Promise.all(batches[batch].map((part, i) => merger.add(part, results[i])));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, Math.min(atOnce, batches.length)) }, work));
    return await merger.finish();
  } catch (error) {
    stop.abort(error);
    throw error;
  } finally {
    merger.close();
  }
}

/** Results of numbered parts: the first ones are merged, later ones wait for their predecessors. */
class OrderedMerger {
  readonly #request: LeafRequest;
  readonly #thread: QueryThread;
  readonly #signal: AbortSignal;
  /** The memory of all queries that merge on the thread. */
  readonly #memory: MemoryBudget;
  /** Twice the query's memory, because a merge holds its inputs and its output. */
  readonly #bytesMax: number;
  #heldBytes = 0;
  /** The merged result of the parts before `#mergedUpTo`. */
  #merged: LeafResult | undefined;
  #mergedBytes = 0;
  #mergedUpTo = 0;
  readonly #waiting = new Map<number, { readonly result: LeafResult; readonly bytes: number }>();
  /** The current step; steps run one after another. */
  #last: Promise<void> = Promise.resolve();

  constructor(request: LeafRequest, thread: QueryThread, signal: AbortSignal) {
    this.#request = request;
    this.#thread = thread;
    this.#signal = signal;
    this.#memory = thread.memory.open();
    this.#bytesMax = 2 * memoryBytesOf(request);
  }

  /** Resolves when the result is accepted; the next part should not start before that. */
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

  /** Ends the accounting; the owner of the result counts it from now on. */
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

  /** Merges the results that directly follow the merged ones. */
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
