import assert from 'node:assert/strict';
import type { CommitState } from '@loki/catalog';
import { LokiError } from '@loki/model';
import type { PartitionDeps } from './deps.ts';
import { EntryHasher } from './entry-hasher.ts';
import { FlushedBounds } from './flushed-bounds.ts';
import { Head } from './head.ts';
import type { HeadRecord } from './head.ts';
import { Writers } from './writers.ts';

interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
}

/** Waits on one partition's progress side by side: queries and flushes. More are refused. */
const waitersMax = 10_000;

/**
 * Where one partition stands. Changes happen between awaits, all at once: whoever looks sees head, consumed
 * and committed offset that belong together.
 *
 *     committedOffset <= every record in the head < consumedOffset
 */
export class PartitionProgress {
  readonly id: number;
  readonly head: Head;
  /** Of the partition's streams and entries: its key is this process's. */
  readonly hasher: EntryHasher;
  bounds: FlushedBounds;
  writers: Writers;
  consumedOffset: number;
  committedOffset: number;
  lastConsumedAtMs: number;
  readonly #deps: PartitionDeps;
  #waiters: Waiter[] = [];
  /** Bytes of the head in the budget. */
  #countedBytes = 0;

  constructor(id: number, committed: CommitState, deps: PartitionDeps) {
    this.id = id;
    this.#deps = deps;
    const { metrics } = deps;
    this.hasher = new EntryHasher(deps.random.bytes(8));
    this.head = new Head(this.hasher, (tenant, difference) => {
      if (difference > 0) metrics.streamsCreated(tenant, 1);
      else metrics.streamsRemoved(tenant, 1);
    });
    this.consumedOffset = committed.endOffset;
    this.committedOffset = committed.endOffset;
    this.bounds = new FlushedBounds(committed.newestUs);
    this.writers = new Writers(deps.options.writersMax, committed.writers);
    this.lastConsumedAtMs = deps.clock.monotonicMs();
  }

  position(): { consumedOffset: number; committedOffset: number; lastConsumedAtMs: number } {
    const { consumedOffset, committedOffset, lastConsumedAtMs } = this;
    return { consumedOffset, committedOffset, lastConsumedAtMs };
  }

  /** Whether consumption has to wait for a flush. */
  get isFull(): boolean {
    return this.head.memoryBytes >= this.#deps.options.headBytesPartitionMax || this.#deps.budget.isExhausted;
  }

  /**
   * A record of the log is done with: `left` is what the head keeps of it, if anything. Ignored when another
   * owner committed beyond it meanwhile.
   */
  consumed(offset: number, writerId: string, sequence: number, left: HeadRecord | undefined): boolean {
    if (offset < this.consumedOffset) return false;
    assert(!left || left.offset === offset, 'a record enters the head at its own offset');
    this.#changeHead(() => left && this.head.add(left));
    this.writers.saw(offset, writerId, sequence);
    this.lastConsumedAtMs = this.#deps.clock.monotonicMs();
    this.#advance(offset + 1);
    return true;
  }

  /** Records below `offset` that were not consumed cannot be read any more. */
  skip(offset: number): void {
    if (offset > this.consumedOffset) this.#advance(offset);
  }

  /** The partition is committed up to `state.endOffset`, by us or by another owner. */
  committed(state: CommitState): void {
    if (state.endOffset <= this.committedOffset) return;
    // Rows that we never saw: those between what we consumed and what the other owner committed.
    if (state.endOffset > this.consumedOffset) this.bounds.raiseAll(state.newestUs);
    this.#changeHead(() =>
      this.head.dropBelow(state.endOffset, (streamHash, newestUs) => this.bounds.raise(streamHash, newestUs)),
    );
    this.committedOffset = state.endOffset;
    this.writers.committed(state.endOffset, state.writers);
    this.#advance(Math.max(this.consumedOffset, state.endOffset));
  }

  /** Takes records out that turned out to be unreadable. */
  remove(records: readonly HeadRecord[]): void {
    this.#changeHead(() => this.head.remove(new Set(records)));
  }

  /** Whether a caller waits for records that are not consumed yet. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** Resolves when all records below `offset` have been consumed; `unavailable` after `timeoutMs`. */
  waitConsumed(offset: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.consumedOffset >= offset) return Promise.resolve();
    if (this.#waiters.length >= waitersMax) {
      return Promise.reject(
        new LokiError('overloaded', `partition ${this.id}: too many wait for it to catch up`),
      );
    }
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const end = (settle: () => void) => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#waiters = this.#waiters.filter((each) => each !== waiter);
        settle();
      };
      const onAbort = () => end(() => reject(signal!.reason));
      const late = () =>
        reject(
          new LokiError(
            'unavailable',
            `partition ${this.id} has consumed up to ${this.consumedOffset} of ${offset} after ${timeoutMs} ms`,
          ),
        );
      const timer = this.#deps.timers.after(timeoutMs, () => end(late));
      const waiter: Waiter = { offset, resolve: () => end(resolve) };
      this.#waiters.push(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Gives the memory back when this process lets go of the partition. */
  release(): void {
    this.#deps.budget.add(-this.#countedBytes);
    this.#countedBytes = 0;
  }

  #changeHead(change: () => void): void {
    change();
    // Indices of entries have grown since the last change, too.
    this.#deps.budget.add(this.head.memoryBytes - this.#countedBytes);
    this.#countedBytes = this.head.memoryBytes;
  }

  #advance(offset: number): void {
    this.consumedOffset = offset;
    this.#deps.onConsumed?.(this.id, offset);
    for (const waiter of this.#waiters) if (waiter.offset <= offset) waiter.resolve();
  }
}
