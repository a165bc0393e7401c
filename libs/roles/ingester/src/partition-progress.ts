/** The offsets and the head of one partition, changed consistently. */
import assert from 'node:assert/strict';
import type { CommitState } from '@loki/catalog';
import { LokiError } from '@loki/model';
import { inSlices } from '@loki/ports';
import type { SlicedWork } from '@loki/ports';
import type { PartitionDeps } from './deps.ts';
import { boundsBelow } from './head/bounds-below.ts';
import { EntryHasher } from './head/entry-hasher.ts';
import { FlushedBounds } from './head/flushed-bounds.ts';
import type { HeadRecord } from './head/head-record.ts';
import { Head } from './head/head.ts';
import { Writers } from './writers.ts';

interface Waiter {
  readonly offset: number;
  /** The tenant of the awaited records; undefined: all tenants. */
  readonly tenant: string | undefined;
  readonly resolve: () => void;
}

/** A record that was read; some of its rows have not entered the head yet. */
interface OpenRecord {
  readonly offset: number;
  /** Tenants whose rows have not entered yet. */
  readonly tenants: Set<string>;
}

/** Share of a head's rows above which a tenant counts as one that fills it. */
const heavyRows = 0.1;
/**
 * Such tenants wait at this share of the process's bound and of a partition's; at the bound itself all wait.
 */
const heavyShare = 0.875;
const lightShare = 1.5;

/** Waits on one partition's progress side by side: queries and flushes. More are refused. */
const waitersMax = 10_000;

/**
 * The offsets of one partition and its head. Changes happen between awaits, all at once: every reader sees a
 * head, a consumed and a committed offset that belong together.
 *
 * committedOffset <= consumedOffset <= readOffset; committedOffset <= every record in the head < readOffset
 *
 * Records between consumedOffset and readOffset wait for rows of some tenant; rows of other tenants may be in
 * the head already. Each tenant's records enter in the order of their offsets.
 */
export class PartitionProgress {
  readonly id: number;
  readonly head: Head;
  /** Hasher of the partition's streams and entries: its key belongs to this process. */
  readonly hasher: EntryHasher;
  bounds: FlushedBounds;
  writers: Writers;
  /** All records below have been consumed. */
  consumedOffset: number;
  /** All records below have been read, and are consumed or open. */
  readOffset: number;
  committedOffset: number;
  lastConsumedAtMs: number;
  readonly #deps: PartitionDeps;
  #waiters: Waiter[] = [];
  /** Ascending by offset. */
  #open: OpenRecord[] = [];
  /** For each tenant: the offsets of its open records, ascending. */
  readonly #openOf = new Map<string, number[]>();
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
    this.readOffset = committed.endOffset;
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
    const { budget, options } = this.#deps;
    return this.head.memoryBytes >= options.headBytesPartitionMax * lightShare || budget.isExhausted;
  }

  /**
   * The same for rows of tenants that take much of the head. Other tenants have a reserve: they do not wait
   * for the flush of others' rows.
   */
  isFullFor(tenants: readonly string[]): boolean {
    const { budget, options } = this.#deps;
    const isNear =
      this.head.memoryBytes >= options.headBytesPartitionMax || budget.bytes >= budget.bytesMax * heavyShare;
    if (!isNear) return false;
    return tenants.some((tenant) => this.head.rowsOf(tenant) > this.head.rowCount * heavyRows);
  }

  /**
   * Adds a record that was read, with rows of these tenants for the head. No tenants: the record is consumed.
   */
  opened(offset: number, writerId: string, sequence: number, tenants: readonly string[]): void {
    assert(offset >= this.readOffset, 'records are opened in their order');
    this.writers.saw(offset, writerId, sequence);
    this.readOffset = offset + 1;
    if (tenants.length > 0) {
      this.#open.push({ offset, tenants: new Set(tenants) });
      for (const tenant of tenants) {
        const offsets = this.#openOf.get(tenant);
        if (offsets) offsets.push(offset);
        else this.#openOf.set(tenant, [offset]);
      }
    }
    this.#advance();
  }

  /**
   * Marks the rows of some tenants in an open record as consumed: `entered` is the head's record of them, if
   * any. Ignored when another owner has committed beyond the record.
   *
   * @returns whether the head has the rows now
   */
  consumed(offset: number, tenants: readonly string[], entered: HeadRecord | undefined): boolean {
    if (offset < this.committedOffset) return false;
    assert(!entered || entered.offset === offset, 'a record enters the head at its own offset');
    this.#changeHead(() => entered && this.head.add(entered));
    this.lastConsumedAtMs = this.#deps.clock.monotonicMs();
    const record = this.#open.find((each) => each.offset === offset);
    assert(record, 'a record is opened before it is consumed');
    for (const tenant of tenants) {
      record.tenants.delete(tenant);
      this.#close(tenant, offset);
    }
    this.#deps.onConsumed?.(this.id, offset + 1, tenants);
    this.#open = this.#open.filter((each) => each.tenants.size > 0);
    this.#advance();
    return entered !== undefined;
  }

  /** Skips unread records below `offset`, which can no longer be read. */
  skip(offset: number): void {
    this.readOffset = Math.max(this.readOffset, offset);
    this.#deps.onConsumed?.(this.id, offset);
    this.#advance();
  }

  /**
   * The partition is committed up to `state.endOffset` by this owner. In slices, but for the change itself:
   * bounds may rise before it, and streams without rows stay a while.
   */
  async committedByThis(state: CommitState): Promise<void> {
    const { head } = this;
    await inSlices(this.#raising(state.endOffset), this.#deps);
    this.#moveTo(state, () => head.cutBelow(state.endOffset));
    await inSlices(head.forgetStreams(), this.#deps, () => this.#changeHead(() => undefined));
    this.#changeHead(() => undefined);
  }

  /** The partition is committed up to `state.endOffset`, by this owner or another one. */
  committed(state: CommitState): void {
    this.#moveTo(state, () =>
      this.head.dropBelow(state.endOffset, (streamHash, newestUs) => this.bounds.raise(streamHash, newestUs)),
    );
  }

  #raising(endOffset: number): SlicedWork<void> {
    return boundsBelow(this.head, endOffset, (streamHash, newestUs) =>
      this.bounds.raise(streamHash, newestUs),
    );
  }

  #moveTo(state: CommitState, dropRecords: () => void): void {
    if (state.endOffset <= this.committedOffset) return;
    // The commit has rows that this owner has not read: those above its consumed offset.
    if (state.endOffset > this.consumedOffset) this.bounds.raiseAll(state.newestUs);
    this.#changeHead(dropRecords);
    this.committedOffset = state.endOffset;
    this.writers.committed(state.endOffset, state.writers);
    for (const { offset, tenants } of this.#open) {
      if (offset < state.endOffset) for (const tenant of tenants) this.#close(tenant, offset);
    }
    this.#open = this.#open.filter(({ offset }) => offset >= state.endOffset);
    this.skip(state.endOffset);
  }

  /** Removes unreadable records. */
  remove(records: readonly HeadRecord[]): void {
    this.#changeHead(() => this.head.remove(new Set(records)));
  }

  /** Whether a caller waits for records that are not consumed yet. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /**
   * Resolves when all records below `offset`, or those of one tenant, have been consumed; `unavailable` after
   * `timeoutMs`.
   */
  waitConsumed(
    offset: number,
    { timeoutMs, tenant, signal }: { timeoutMs: number; tenant?: string; signal?: AbortSignal },
  ): Promise<void> {
    if (this.#isConsumed(offset, tenant)) return Promise.resolve();
    if (this.#waiters.length >= waitersMax) {
      return Promise.reject(
        new LokiError('overloaded', `partition ${this.id}: too many queries wait until it has caught up`),
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
      const onTimeout = () =>
        reject(
          new LokiError(
            'unavailable',
            `partition ${this.id} has consumed up to ${this.consumedOffset} of ${offset} after ${timeoutMs} ms`,
          ),
        );
      const timer = this.#deps.timers.after(timeoutMs, () => end(onTimeout));
      const waiter: Waiter = { offset, tenant, resolve: () => end(resolve) };
      this.#waiters.push(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Returns the memory when this process releases the partition. */
  release(): void {
    this.#deps.budget.add(-this.#countedBytes);
    this.#countedBytes = 0;
  }

  #changeHead(change: () => void): void {
    change();
    // Counts indexes of entries that have grown since the last change, too.
    this.#deps.budget.add(this.head.memoryBytes - this.#countedBytes);
    this.#countedBytes = this.head.memoryBytes;
  }

  #isConsumed(offset: number, tenant: string | undefined): boolean {
    if (this.consumedOffset >= offset) return true;
    if (tenant === undefined || this.readOffset < offset) return false;
    const oldest = this.#openOf.get(tenant)?.[0];
    return oldest === undefined || oldest >= offset;
  }

  #close(tenant: string, offset: number): void {
    const offsets = this.#openOf.get(tenant);
    if (offsets?.[0] === offset) offsets.shift();
    if (offsets?.length === 0) this.#openOf.delete(tenant);
  }

  #advance(): void {
    const offset = this.#open.length > 0 ? this.#open[0].offset : this.readOffset;
    this.consumedOffset = Math.max(this.consumedOffset, offset);
    for (const waiter of this.#waiters) {
      if (this.#isConsumed(waiter.offset, waiter.tenant)) waiter.resolve();
    }
  }
}
