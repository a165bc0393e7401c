/** Reads one partition of the topic: the source of step *consume*. */
import { LokiError } from '@loki/model';
import type { Clock, LoggedRecord, Logger, Random, TimerHandle, Timers } from '@loki/ports';
import { parseFrame, readBatches } from './kafka-batch.ts';
import type { KafkaBrokers } from './kafka-cluster.ts';
import { fetchCall, kafkaErrorName, kafkaErrors } from './kafka-protocol.ts';
import type { FetchAnswer } from './kafka-protocol.ts';

interface KafkaReaderOptions {
  readonly cluster: KafkaBrokers;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
  /** Read ahead for one consumer of a partition: it stops being fetched above this. */
  readonly partitionBufferBytesMax: number;
  /** Read ahead for all; above this only who waits is fetched for. */
  readonly bufferBytesMax: number;
  /** A record that cannot be believed, and is stepped over. */
  readonly onDamage: (damage: { partition: number; offset: number; fault: string }) => void;
  /** The first offset that is left. Rejects when the broker cannot say. */
  readonly startOffset: (partition: number) => Promise<number>;
}

/** Answer of one fetch. Kafka gives one whole batch at least, however large. */
const fetchBytesMax = 8 << 20;
const fetchPartitionBytesMax = 2 << 20;
/**
 * How long a broker may wait for something to come; also how long a new reader waits for its turn at most.
 */
const fetchWaitMsMax = 250;
/** Beyond its wait, an answer of some megabytes takes a moment on a bad line. */
const fetchTimeoutMs = 10_000;
/** A consumer that has not come back for so long is forgotten, with what was read ahead for it. */
const cursorIdleMs = 60_000;
/** Consumers of one partition at different offsets. */
const cursorsMaxPerPartition = 8;
const pauseMs = 200;

interface Waiter {
  readonly bytesMax: number;
  readonly done: PromiseWithResolvers<LoggedRecord[]>;
  readonly deadlineMs: number;
  readonly timer: TimerHandle;
  /** Its time is over: it takes whatever the first answer says. */
  isLate: boolean;
  /** The outcome of the last fetch for it; undefined before the first. */
  outcome: 'answered' | Error | undefined;
}

/** One consumer's place in a partition, and what was read ahead for it. */
interface Cursor {
  readonly partition: number;
  /** The next offset for the consumer. */
  readOffset: number;
  /** The next offset to ask of the broker. */
  fetchOffset: number;
  queue: LoggedRecord[];
  queuedBytes: number;
  waiter: Waiter | undefined;
  usedMs: number;
  /** After an error of its own; others of the same broker go on. */
  notBeforeMs: number;
  /** Its broker is being asked for it now. */
  isFetching: boolean;
  /** When it was last fetched for, in fetches. */
  turn: number;
}

/**
 * Reads partitions from any offset. One fetch at a time to each broker speaks for all partitions that are
 * wanted from it, so that a thousand idle partitions cost a few requests a second. There is no consumer
 * group: who reads what is decided by the ring, and reading must not depend on a coordinator, on heartbeats
 * or on anybody's commits.
 */
export class KafkaReader {
  readonly #options: KafkaReaderOptions;
  readonly #cursors = new Set<Cursor>();
  /** Brokers that are being asked; undefined stands for partitions without leader. */
  readonly #pumping = new Set<number | undefined>();
  #queuedBytes = 0;
  /** Rotates the order of partitions in a fetch: the first one gets its batch however large. */
  #turn = 0;
  #isClosed = false;

  constructor(options: KafkaReaderOptions) {
    this.#options = options;
    options.cluster.onChange(() => this.#pumpAll());
  }

  /**
   * See WriteLog.read; offsets are Kafka's. Rejects with `unavailable` when the broker did not answer in
   * `waitMs`.
   */
  async read(
    partition: number,
    fromOffset: number,
    options: { bytesMax: number; waitMs: number; signal?: AbortSignal },
  ): Promise<LoggedRecord[]> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#isClosed) throw new LokiError('unavailable', 'the write log is closed');
    const cursor = this.#cursorAt(partition, fromOffset);
    cursor.usedMs = this.#options.clock.monotonicMs();
    if (cursor.queue.length > 0) {
      const records = this.#take(cursor, options.bytesMax);
      this.#pump(this.#options.cluster.leader(partition));
      return records;
    }
    const waiter = this.#wait(cursor, options);
    const onAbort = (): void => this.#finish(cursor, signal!.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#pump(this.#options.cluster.leader(partition));
    try {
      return await waiter.done.promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const cursor of this.#cursors) {
      this.#finish(cursor, new LokiError('unavailable', 'the write log is closed'));
      this.#drop(cursor);
    }
  }

  #cursorAt(partition: number, offset: number): Cursor {
    const ours: Cursor[] = [];
    for (const cursor of this.#cursors) {
      if (cursor.partition !== partition) continue;
      if (!cursor.waiter && cursor.readOffset <= offset && offset <= cursor.fetchOffset) {
        this.#skip(cursor, offset);
        return cursor;
      }
      ours.push(cursor);
    }
    if (ours.length >= cursorsMaxPerPartition) {
      const idle = ours.filter((each) => !each.waiter).sort((a, b) => a.usedMs - b.usedMs);
      if (idle.length === 0) {
        throw new LokiError('overloaded', `partition ${partition} has too many readers at a time`);
      }
      this.#drop(idle[0]);
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
      this.#count(cursor, -cursor.queue.shift()!.payload.length);
    }
  }

  #wait(cursor: Cursor, options: { bytesMax: number; waitMs: number }): Waiter {
    const { clock, timers } = this.#options;
    const waiter: Waiter = {
      bytesMax: options.bytesMax,
      done: Promise.withResolvers<LoggedRecord[]>(),
      deadlineMs: clock.monotonicMs() + options.waitMs,
      timer: timers.after(options.waitMs, () => {
        waiter.isLate = true;
        if (cursor.waiter !== waiter) return;
        if (waiter.outcome !== undefined) this.#conclude(cursor);
        else this.#pump(this.#options.cluster.leader(cursor.partition));
      }),
      isLate: false,
      outcome: undefined,
    };
    cursor.waiter = waiter;
    return waiter;
  }

  /** Ends a wait with what is there, or with nothing, or with the error that prevented knowing. */
  #conclude(cursor: Cursor): void {
    const { waiter } = cursor;
    if (!waiter) return;
    if (cursor.queue.length > 0 || waiter.outcome === 'answered') {
      this.#finish(cursor, undefined);
      return;
    }
    const cause = waiter.outcome;
    const reason = cause instanceof Error ? cause.message : 'no answer';
    this.#finish(
      cursor,
      new LokiError('unavailable', `kafka: partition ${cursor.partition} cannot be read: ${reason}`, {
        cause,
      }),
    );
  }

  #finish(cursor: Cursor, error: Error | undefined): void {
    const { waiter } = cursor;
    if (!waiter) return;
    cursor.waiter = undefined;
    waiter.timer.cancel();
    if (error === undefined) waiter.done.resolve(this.#take(cursor, waiter.bytesMax));
    else waiter.done.reject(error);
  }

  #take(cursor: Cursor, bytesMax: number): LoggedRecord[] {
    let bytes = 0;
    let count = 0;
    for (const { payload } of cursor.queue) {
      if (count > 0 && bytes + payload.length > bytesMax) break;
      bytes += payload.length;
      count++;
    }
    const records = cursor.queue.slice(0, count);
    cursor.queue = cursor.queue.slice(count);
    this.#count(cursor, -bytes);
    if (count > 0) cursor.readOffset = records[count - 1].offset + 1;
    cursor.usedMs = this.#options.clock.monotonicMs();
    return records;
  }

  #count(cursor: Cursor, bytes: number): void {
    cursor.queuedBytes += bytes;
    this.#queuedBytes += bytes;
  }

  #drop(cursor: Cursor): void {
    if (!this.#cursors.delete(cursor)) return;
    this.#queuedBytes -= cursor.queuedBytes;
    cursor.queue = [];
    cursor.queuedBytes = 0;
  }

  /** Keeps asking a broker as long as anything is wanted from it. */
  #pump(nodeId: number | undefined): void {
    if (this.#isClosed || this.#pumping.has(nodeId)) return;
    this.#pumping.add(nodeId);
    void this.#runPump(nodeId);
  }

  /** Never rejects. */
  async #runPump(nodeId: number | undefined): Promise<void> {
    const { cluster, timers, logger, random } = this.#options;
    // Calls of the same turn share the same fetch.
    await Promise.resolve();
    for (let failures = 0; ;) {
      const wanted = this.#isClosed ? undefined : this.#wantedFrom(nodeId);
      if (wanted === undefined) {
        this.#pumping.delete(nodeId);
        return;
      }
      if (wanted.length === 0) {
        await timers.sleep(pauseMs / 4); // all of them wait after an error of their own
        continue;
      }
      try {
        if (nodeId === undefined) throw new Error('the partition has no leader');
        await this.#fetch(nodeId, wanted);
        failures = 0;
      } catch (error) {
        failures++;
        const failure = error instanceof Error ? error : new Error(String(error));
        for (const cursor of wanted) this.#failed(cursor, failure);
        logger?.[failures === 3 ? 'warn' : 'debug']('kafka: a broker could not be read from', {
          node: nodeId,
          partitions: wanted.length,
          err: failure.message,
        });
        await timers.sleep(pauseMs * (0.5 + random.float()));
        await cluster.refresh().catch(() => undefined); // tried again as long as somebody waits
      }
    }
  }

  /** After leaders may have moved. */
  #pumpAll(): void {
    for (const { partition } of this.#cursors) this.#pump(this.#options.cluster.leader(partition));
  }

  /**
   * The cursors for a fetch from this broker; [] when all wants are on hold, undefined when there is none.
   */
  #wantedFrom(nodeId: number | undefined): Cursor[] | undefined {
    const { cluster, clock, partitionBufferBytesMax, bufferBytesMax } = this.#options;
    const nowMs = clock.monotonicMs();
    const wanted = new Map<number, Cursor>();
    let isHeld = false;
    for (const cursor of this.#cursors) {
      if (cluster.leader(cursor.partition) !== nodeId) continue;
      if (!cursor.waiter && nowMs - cursor.usedMs > cursorIdleMs) {
        this.#drop(cursor);
        continue;
      }
      const bytesMax = this.#queuedBytes < bufferBytesMax ? partitionBufferBytesMax : 0;
      if (cursor.queuedBytes >= bytesMax && !cursor.waiter) continue;
      if (cursor.notBeforeMs > nowMs || cursor.isFetching) {
        isHeld = true;
        continue;
      }
      const other = wanted.get(cursor.partition);
      if (!other || isBefore(cursor, other)) wanted.set(cursor.partition, cursor);
    }
    if (wanted.size === 0) return isHeld ? [] : undefined;
    const list = [...wanted.values()];
    const start = this.#turn++ % list.length;
    return [...list.slice(start), ...list.slice(0, start)];
  }

  async #fetch(nodeId: number, wanted: readonly Cursor[]): Promise<void> {
    const { cluster, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    let waitMs = fetchWaitMsMax;
    for (const { waiter } of wanted) if (waiter) waitMs = Math.min(waitMs, waiter.deadlineMs - nowMs);
    waitMs = Math.max(0, Math.ceil(waitMs));
    const partitions = wanted.map(({ partition, fetchOffset }) => ({ partition, offset: fetchOffset }));
    const call = fetchCall(cluster.topic, partitions, {
      waitMs,
      bytesMax: fetchBytesMax,
      partitionBytesMax: fetchPartitionBytesMax,
    });
    for (const cursor of wanted) {
      cursor.isFetching = true;
      cursor.turn = this.#turn;
    }
    let answer: FetchAnswer;
    try {
      const connection = await cluster.connection(nodeId, 'fetch');
      answer = await connection.request(call, waitMs + fetchTimeoutMs);
    } finally {
      for (const cursor of wanted) cursor.isFetching = false;
    }
    if (answer.errorCode !== kafkaErrors.none) throw new Error(kafkaErrorName(answer.errorCode));
    await this.#deliver(wanted, answer);
  }

  async #deliver(wanted: readonly Cursor[], answer: FetchAnswer): Promise<void> {
    const byPartition = new Map(wanted.map((cursor) => [cursor.partition, cursor]));
    let moved = false;
    for (const { partition, errorCode, records, highWatermark } of answer.partitions) {
      const cursor = byPartition.get(partition);
      if (!cursor) continue;
      if (errorCode === kafkaErrors.none) {
        this.#fill(cursor, records, answer.sizeBytes);
        if (cursor.waiter) {
          cursor.waiter.outcome = 'answered';
          const hasMore = cursor.fetchOffset < highWatermark;
          if (cursor.queue.length > 0 || (cursor.waiter.isLate && !hasMore)) this.#conclude(cursor);
        }
        continue;
      }
      this.#failed(cursor, new Error(kafkaErrorName(errorCode)));
      cursor.notBeforeMs = this.#options.clock.monotonicMs() + pauseMs;
      if (errorCode === kafkaErrors.offsetOutOfRange) await this.#findPlace(cursor);
      else moved = true;
    }
    if (moved) await this.#options.cluster.refresh();
  }

  /** Queues what a fetch found. */
  #fill(cursor: Cursor, bytes: Buffer, answerBytes: number): void {
    const { values, nextOffset } = readBatches(bytes, cursor.fetchOffset);
    const isKept = this.#cursors.has(cursor);
    for (const { offset, value, fault } of values) {
      const record = value ? parseFrame(value, cursor.partition) : (fault ?? 'no value');
      if (typeof record === 'string') {
        this.#options.onDamage({ partition: cursor.partition, offset, fault: record });
        continue;
      }
      if (!isKept) continue;
      // A view of the answer keeps all of it in memory: worth it only for a record that is most of it.
      const isMost = record.payload.length * 2 > answerBytes;
      const payload = isMost ? record.payload : Buffer.from(record.payload);
      cursor.queue.push({ offset, writerId: record.writerId, sequence: record.sequence, payload });
      this.#count(cursor, payload.length);
    }
    cursor.fetchOffset = nextOffset;
  }

  #failed(cursor: Cursor, error: Error): void {
    if (!cursor.waiter) return;
    cursor.waiter.outcome = error;
    if (cursor.waiter.isLate) this.#conclude(cursor);
  }

  /** The broker does not have the offset: it was forgotten, which we step over, or it is beyond the end. */
  async #findPlace(cursor: Cursor): Promise<void> {
    const { logger, startOffset } = this.#options;
    const start = await startOffset(cursor.partition);
    const place = { partition: cursor.partition, offset: cursor.fetchOffset, startOffset: start };
    if (start > cursor.fetchOffset) {
      logger?.warn('kafka: records were deleted before they were read', place);
      cursor.fetchOffset = start;
      cursor.notBeforeMs = 0;
    } else {
      logger?.error('kafka: the partition ends before an offset that it once had', place);
      cursor.notBeforeMs += 5 * pauseMs;
    }
  }
}

/** A fetch speaks of a partition once: first of who waits, then of who has been left out for longest. */
function isBefore(a: Cursor, b: Cursor): boolean {
  return !a.waiter === !b.waiter ? a.turn < b.turn : a.waiter !== undefined;
}
