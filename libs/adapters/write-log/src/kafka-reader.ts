/** Reads one partition of the topic: the source of step *consume*. */
import { LokiError } from '@loki/model';
import type { Clock, LoggedRecord, Logger, Random, Timers } from '@loki/ports';
import { parseFrame, readBatches } from './kafka-batch.ts';
import type { KafkaBrokers } from './kafka-cluster.ts';
import { KafkaCursors } from './kafka-cursors.ts';
import type { Cursor, Waiter } from './kafka-cursors.ts';
import { kafkaErrorName, kafkaErrors } from './kafka-errors.ts';
import { fetchCall } from './kafka-protocol.ts';
import type { FetchAnswer } from './kafka-protocol.ts';

interface KafkaReaderOptions {
  readonly cluster: KafkaBrokers;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
  /** Most bytes that are read ahead for one consumer of a partition; above it fetching pauses. */
  readonly partitionBufferBytesMax: number;
  /** Most bytes that are read ahead for all consumers; above it only waiting consumers are served. */
  readonly bufferBytesMax: number;
  /** Called for a damaged record, which is skipped. */
  readonly onDamage: (damage: { partition: number; offset: number; fault: string }) => void;
  /** The first offset that still exists. Rejects when the broker does not answer. */
  readonly startOffset: (partition: number) => Promise<number>;
}

/** Most bytes of one fetch's answer. Kafka returns at least one complete batch of any size. */
const fetchBytesMax = 8 << 20;
const fetchPartitionBytesMax = 2 << 20;
/** Longest wait of a broker for new records; also the longest delay of a new reader. */
const fetchWaitMsMax = 250;
/** Timeout beyond the broker's wait: an answer of some megabytes takes time on a slow connection. */
const fetchTimeoutMs = 10_000;
const pauseMs = 200;

/**
 * Reads partitions from any offset. There is one fetch at a time to each broker, for all partitions that are
 * read from it: a thousand idle partitions cost a few requests a second. There is no consumer group: the ring
 * decides who reads a partition, and reading must not depend on a coordinator, heartbeats or commits.
 */
export class KafkaReader {
  readonly #options: KafkaReaderOptions;
  readonly #cursors: KafkaCursors;
  /** Brokers with a fetch loop; undefined represents partitions without a leader. */
  readonly #pumping = new Set<number | undefined>();
  #isClosed = false;

  constructor(options: KafkaReaderOptions) {
    this.#options = options;
    const { cluster, clock, partitionBufferBytesMax, bufferBytesMax } = options;
    const leader = (partition: number) => cluster.leader(partition);
    this.#cursors = new KafkaCursors({ clock, partitionBufferBytesMax, bufferBytesMax, leader });
    options.cluster.onChange(() => this.#pumpAll());
  }

  /**
   * See WriteLog.read; offsets are Kafka's. Rejects with `unavailable` when the broker does not answer within
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
    const cursor = this.#cursors.at(partition, fromOffset);
    cursor.usedMs = this.#options.clock.monotonicMs();
    if (cursor.queue.length > 0) {
      const records = this.#cursors.take(cursor, options.bytesMax);
      this.#pump(this.#options.cluster.leader(partition));
      return records;
    }
    const waiter = this.#wait(cursor, options);
    const onAbort = (): void => this.#finish(cursor, signal!.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#pump(this.#options.cluster.leader(partition));
    try {
      return await waiter.completion.promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const cursor of this.#cursors.all()) {
      this.#finish(cursor, new LokiError('unavailable', 'the write log is closed'));
      this.#cursors.drop(cursor);
    }
  }

  #wait(cursor: Cursor, options: { bytesMax: number; waitMs: number }): Waiter {
    const { clock, timers } = this.#options;
    const waiter: Waiter = {
      bytesMax: options.bytesMax,
      completion: Promise.withResolvers<LoggedRecord[]>(),
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

  /** Ends a wait: with records, with none, or with the error of the fetch. */
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
    if (error === undefined) waiter.completion.resolve(this.#cursors.take(cursor, waiter.bytesMax));
    else waiter.completion.reject(error);
  }

  /** Starts the fetch loop of a broker, which runs while cursors need it. */
  #pump(nodeId: number | undefined): void {
    if (this.#isClosed || this.#pumping.has(nodeId)) return;
    this.#pumping.add(nodeId);
    void this.#runPump(nodeId);
  }

  /** The fetch loop of a broker. Never rejects. */
  async #runPump(nodeId: number | undefined): Promise<void> {
    const { cluster, timers, logger, random } = this.#options;
    // Calls in the same turn share one fetch.
    await Promise.resolve();
    for (let failures = 0; ;) {
      const cursors = this.#isClosed ? undefined : this.#cursors.wantedFrom(nodeId);
      if (cursors === undefined) {
        this.#pumping.delete(nodeId);
        return;
      }
      if (cursors.length === 0) {
        await timers.sleep(pauseMs / 4); // Each cursor pauses after an error, or is in a fetch.
        continue;
      }
      try {
        if (nodeId === undefined) throw new Error('the partition has no leader');
        await this.#fetch(nodeId, cursors);
        failures = 0;
      } catch (error) {
        failures++;
        const failure = error instanceof Error ? error : new Error(String(error));
        for (const cursor of cursors) this.#failed(cursor, failure);
        logger?.[failures === 3 ? 'warn' : 'debug']('kafka: a broker could not be read from', {
          node: nodeId,
          partitions: cursors.length,
          err: failure.message,
        });
        await timers.sleep(pauseMs * (0.5 + random.float()));
        await cluster.refresh().catch(() => undefined); // Tried again while a caller waits.
      }
    }
  }

  /** Starts the loops of all brokers, after leaders may have moved. */
  #pumpAll(): void {
    for (const { partition } of this.#cursors.all()) this.#pump(this.#options.cluster.leader(partition));
  }

  async #fetch(nodeId: number, cursors: readonly Cursor[]): Promise<void> {
    const { cluster, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    let waitMs = fetchWaitMsMax;
    for (const { waiter } of cursors) if (waiter) waitMs = Math.min(waitMs, waiter.deadlineMs - nowMs);
    waitMs = Math.max(0, Math.ceil(waitMs));
    const partitions = cursors.map(({ partition, fetchOffset }) => ({ partition, offset: fetchOffset }));
    const call = fetchCall(cluster.topic, partitions, {
      waitMs,
      bytesMax: fetchBytesMax,
      partitionBytesMax: fetchPartitionBytesMax,
    });
    for (const cursor of cursors) {
      cursor.isFetching = true;
      cursor.turn = this.#cursors.turn;
    }
    let answer: FetchAnswer;
    try {
      const connection = await cluster.connection(nodeId, 'fetch');
      answer = await connection.request(call, waitMs + fetchTimeoutMs);
    } finally {
      for (const cursor of cursors) cursor.isFetching = false;
    }
    if (answer.errorCode !== kafkaErrors.none) throw new Error(kafkaErrorName(answer.errorCode));
    await this.#deliver(cursors, answer);
  }

  async #deliver(cursors: readonly Cursor[], answer: FetchAnswer): Promise<void> {
    const byPartition = new Map(cursors.map((cursor) => [cursor.partition, cursor]));
    let hasMovedLeader = false;
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
      else hasMovedLeader = true;
    }
    if (hasMovedLeader) await this.#options.cluster.refresh();
  }

  /** Queues the records of a fetch. */
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
      // A view keeps the whole answer in memory, so only a record that is most of the answer is not copied.
      const isMost = record.payload.length * 2 > answerBytes;
      const payload = isMost ? record.payload : Buffer.from(record.payload);
      cursor.queue.push({ offset, writerId: record.writerId, sequence: record.sequence, payload });
      this.#cursors.count(cursor, payload.length);
    }
    cursor.fetchOffset = nextOffset;
  }

  #failed(cursor: Cursor, error: Error): void {
    if (!cursor.waiter) return;
    cursor.waiter.outcome = error;
    if (cursor.waiter.isLate) this.#conclude(cursor);
  }

  /**
   * The broker does not have the offset: it was deleted, and reading continues after it, or it is beyond the
   * end.
   */
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
