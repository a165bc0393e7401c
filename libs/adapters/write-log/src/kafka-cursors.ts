/** Places of consumers in partitions of the topic, with the records that are read ahead for each. */
import { LokiError } from '@loki/model';
import type { Clock, LoggedRecord, TimerHandle } from '@loki/ports';

/** A consumer without a call for this time is dropped, with its read-ahead records. */
const cursorIdleMs = 60_000;
/** Most consumers of one partition at different offsets. */
const cursorsMaxPerPartition = 8;

export interface Waiter {
  readonly bytesMax: number;
  readonly completion: PromiseWithResolvers<LoggedRecord[]>;
  readonly deadlineMs: number;
  readonly timer: TimerHandle;
  /** Its wait is over: the first answer ends it in any case. */
  isLate: boolean;
  /** The outcome of the last fetch; undefined before the first one. */
  outcome: 'answered' | Error | undefined;
}

/** One consumer's place in a partition, with its read-ahead records. */
export interface Cursor {
  readonly partition: number;
  /** The next offset for the consumer. */
  readOffset: number;
  /** The next offset to fetch from the broker. */
  fetchOffset: number;
  queue: LoggedRecord[];
  queuedBytes: number;
  waiter: Waiter | undefined;
  usedMs: number;
  /** End of the pause after an error of this cursor; other cursors of the broker continue. */
  notBeforeMs: number;
  /** A fetch for it is in progress. */
  isFetching: boolean;
  /** Number of its last fetch. */
  turn: number;
}

interface KafkaCursorsOptions {
  readonly clock: Clock;
  /** Most bytes that are read ahead for one consumer of a partition; above it fetching pauses. */
  readonly partitionBufferBytesMax: number;
  /** Most bytes that are read ahead for all consumers; above it only waiting consumers are served. */
  readonly bufferBytesMax: number;
  /** The broker that leads a partition; undefined: none does. */
  readonly leader: (partition: number) => number | undefined;
}

/** The cursors of all partitions; each consumer has one. */
export class KafkaCursors {
  readonly #options: KafkaCursorsOptions;
  readonly #cursors = new Set<Cursor>();
  #queuedBytes = 0;
  /** Counts fetches, to rotate the order of partitions: the first one gets its batch of any size. */
  #turn = 0;

  constructor(options: KafkaCursorsOptions) {
    this.#options = options;
  }

  get turn(): number {
    return this.#turn;
  }

  all(): Iterable<Cursor> {
    return this.#cursors;
  }

  has(cursor: Cursor): boolean {
    return this.#cursors.has(cursor);
  }

  /** The free cursor of a consumer that has come to `offset`, or a new one. */
  at(partition: number, offset: number): Cursor {
    const cursors: Cursor[] = [];
    for (const cursor of this.#cursors) {
      if (cursor.partition !== partition) continue;
      if (!cursor.waiter && cursor.readOffset <= offset && offset <= cursor.fetchOffset) {
        this.#skip(cursor, offset);
        return cursor;
      }
      cursors.push(cursor);
    }
    if (cursors.length >= cursorsMaxPerPartition) {
      const idle = cursors.filter((each) => !each.waiter).sort((a, b) => a.usedMs - b.usedMs);
      if (idle.length === 0) {
        throw new LokiError('overloaded', `partition ${partition} has too many readers at a time`);
      }
      this.drop(idle[0]);
    }
    const cursor: Cursor = {
      partition,
      readOffset: offset,
      fetchOffset: offset,
      queue: [],
      queuedBytes: 0,
      waiter: undefined,
      usedMs: 0,
      notBeforeMs: 0,
      isFetching: false,
      turn: 0,
    };
    this.#cursors.add(cursor);
    return cursor;
  }

  #skip(cursor: Cursor, offset: number): void {
    cursor.readOffset = offset;
    while (cursor.queue.length > 0 && cursor.queue[0].offset < offset) {
      this.count(cursor, -cursor.queue.shift()!.payload.length);
    }
  }

  /** Takes the next records of at most `bytesMax`, but at least one, from those that are read ahead. */
  take(cursor: Cursor, bytesMax: number): LoggedRecord[] {
    let bytes = 0;
    let count = 0;
    for (const { payload } of cursor.queue) {
      if (count > 0 && bytes + payload.length > bytesMax) break;
      bytes += payload.length;
      count++;
    }
    const records = cursor.queue.slice(0, count);
    cursor.queue = cursor.queue.slice(count);
    this.count(cursor, -bytes);
    if (count > 0) cursor.readOffset = records[count - 1].offset + 1;
    cursor.usedMs = this.#options.clock.monotonicMs();
    return records;
  }

  /** Counts bytes that are read ahead. */
  count(cursor: Cursor, bytes: number): void {
    cursor.queuedBytes += bytes;
    this.#queuedBytes += bytes;
  }

  drop(cursor: Cursor): void {
    if (!this.#cursors.delete(cursor)) return;
    this.#queuedBytes -= cursor.queuedBytes;
    cursor.queue = [];
    cursor.queuedBytes = 0;
  }

  /** The cursors for a fetch from this broker; [] when all are paused, undefined when there is none. */
  wantedFrom(nodeId: number | undefined): Cursor[] | undefined {
    const { leader, clock, partitionBufferBytesMax, bufferBytesMax } = this.#options;
    const nowMs = clock.monotonicMs();
    const byPartition = new Map<number, Cursor>();
    let isHeld = false;
    for (const cursor of this.#cursors) {
      if (leader(cursor.partition) !== nodeId) continue;
      if (!cursor.waiter && nowMs - cursor.usedMs > cursorIdleMs) {
        this.drop(cursor);
        continue;
      }
      const bytesMax = this.#queuedBytes < bufferBytesMax ? partitionBufferBytesMax : 0;
      if (cursor.queuedBytes >= bytesMax && !cursor.waiter) continue;
      if (cursor.notBeforeMs > nowMs || cursor.isFetching) {
        isHeld = true;
        continue;
      }
      const rival = byPartition.get(cursor.partition);
      if (!rival || isBefore(cursor, rival)) byPartition.set(cursor.partition, cursor);
    }
    if (byPartition.size === 0) return isHeld ? [] : undefined;
    const list = [...byPartition.values()];
    const start = this.#turn++ % list.length;
    return [...list.slice(start), ...list.slice(0, start)];
  }
}

/**
 * Which cursor of a partition is fetched first: a waiting one, then the one that was left out for longest.
 */
function isBefore(a: Cursor, b: Cursor): boolean {
  return !a.waiter === !b.waiter ? a.turn < b.turn : a.waiter !== undefined;
}
