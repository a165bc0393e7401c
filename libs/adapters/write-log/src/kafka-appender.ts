/** Appends to one partition of the topic, a batch at a time. */
import { LokiError } from '@loki/model';
import type { Clock, LogRecord, Logger, Random, Timers } from '@loki/ports';
import { batchBytesMax, frameBytes } from './kafka-batch.ts';
import type { KafkaBrokers } from './kafka-cluster.ts';
import { kafkaErrorName, kafkaErrors, produceCall } from './kafka-protocol.ts';
import type { ProduceAnswer } from './kafka-protocol.ts';

interface KafkaAppenderOptions {
  readonly cluster: KafkaBrokers;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
  /** Deadline of an append. */
  readonly writeTimeoutMs: number;
  /** The broker's max.message.bytes: most bytes of one batch. */
  readonly messageBytesMax: number;
}

interface Pending {
  readonly record: LogRecord;
  readonly deadlineMs: number;
  readonly completion: PromiseWithResolvers<number>;
  isSettled: boolean;
}

/** Connections for appends to each broker: Kafka answers one request of a connection at a time. */
const lanes = 4;
/** Least time for entries that have already waited for the whole timeout: the log may just have recovered. */
const attemptMsMin = 1_000;
const pauseMinMs = 50;
const pauseMaxMs = 1_000;

/** Errors that another attempt would meet again. */
const finalErrors: ReadonlySet<number> = new Set([
  kafkaErrors.topicAuthorizationFailed,
  kafkaErrors.clusterAuthorizationFailed,
  kafkaErrors.invalidRecord,
]);
const tooLargeErrors: ReadonlySet<number> = new Set([
  kafkaErrors.messageTooLarge,
  kafkaErrors.recordListTooLarge,
]);

/**
 * Appends to one partition. Records that arrive while a batch is in progress form the next batch, so there is
 * one request at a time, and offsets rise in the order of the calls. An attempt without an answer is repeated
 * until the deadline: readers drop repeats by (writerId, sequence).
 */
export class KafkaAppender {
  readonly #partition: number;
  readonly #options: KafkaAppenderOptions;
  #waiting: Pending[] = [];
  /** The batch in progress. */
  #sending: readonly Pending[] = [];
  #isSending = false;
  /** One above the highest acknowledged offset. */
  #ackedEnd = 0;

  constructor(partition: number, options: KafkaAppenderOptions) {
    this.#partition = partition;
    this.#options = options;
  }

  get ackedEnd(): number {
    return this.#ackedEnd;
  }

  /**
   * Appends a record; returns its offset in Kafka, or rejects with LokiError `logNotAcked` at the deadline.
   */
  async append(record: LogRecord, waitedMs: number): Promise<number> {
    const { clock, timers, writeTimeoutMs } = this.#options;
    const timeoutMs = Math.max(attemptMsMin, writeTimeoutMs - waitedMs);
    const pending: Pending = {
      record,
      deadlineMs: clock.monotonicMs() + timeoutMs,
      completion: Promise.withResolvers<number>(),
      isSettled: false,
    };
    const timer = timers.after(timeoutMs, () =>
      fail(pending, new LokiError('logNotAcked', `kafka: not acknowledged in ${writeTimeoutMs} ms`)),
    );
    this.#waiting.push(pending);
    if (!this.#isSending) void this.#sendAll();
    try {
      return await pending.completion.promise;
    } finally {
      timer.cancel();
    }
  }

  /** Gives up all waiting records. The batch in progress may still be stored. */
  close(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of [...this.#sending, ...waiting]) {
      fail(each, new LokiError('logNotAcked', 'the write log is closed'));
    }
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    // Appends of the same turn share the first batch.
    await Promise.resolve();
    for (let batch = this.#nextBatch(); batch.length > 0; batch = this.#nextBatch()) {
      await this.#sendBatch(batch);
    }
    this.#isSending = false;
  }

  #nextBatch(): readonly Pending[] {
    const alive = this.#waiting.filter((each) => !each.isSettled);
    let values = 0;
    let count = 0;
    for (; count < alive.length; count++) {
      const bytes = frameBytes(alive[count].record);
      if (count > 0 && batchBytesMax(values + bytes, count + 1) > this.#options.messageBytesMax) break;
      values += bytes;
    }
    this.#waiting = alive.slice(count);
    this.#sending = alive.slice(0, count);
    return this.#sending;
  }

  /** Sends the batch until all records are acknowledged, refused or given up. Never rejects. */
  async #sendBatch(batch: readonly Pending[]): Promise<void> {
    const { clock, timers, random, writeTimeoutMs, logger } = this.#options;
    let pauseMs = pauseMinMs;
    for (let attempt = 1; ; attempt++) {
      const open = batch.filter((each) => !each.isSettled);
      if (open.length === 0) return;
      const leftMs = open[open.length - 1].deadlineMs - clock.monotonicMs();
      // One attempt gets half of the time, which leaves time for another one at the partition's next leader.
      const timeoutMs = Math.ceil(Math.max(100, Math.min(leftMs, writeTimeoutMs / 2)));
      let reason: string;
      try {
        const answer = await this.#produce(open, timeoutMs);
        const errorCode = this.#settle(open, answer);
        if (errorCode === undefined) return;
        if (tooLargeErrors.has(errorCode) && open.length > 1) {
          for (const each of open) await this.#sendBatch([each]);
          return;
        }
        reason = kafkaErrorName(errorCode);
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
      logger?.[attempt === 1 ? 'debug' : 'warn']('kafka: an append is tried again', {
        partition: this.#partition,
        attempt,
        err: reason,
      });
      // When all callers have given up, the next batch must not wait.
      const allSettled = Promise.allSettled(open.map((each) => each.completion.promise));
      await Promise.race([timers.sleep(pauseMs * (0.5 + random.float())), allSettled]);
      pauseMs = Math.min(2 * pauseMs, pauseMaxMs);
      await this.#options.cluster.refresh().catch(() => undefined); // the next attempt says what is wrong
    }
  }

  async #produce(batch: readonly Pending[], timeoutMs: number): Promise<ProduceAnswer> {
    const { cluster, clock } = this.#options;
    const leader = cluster.leader(this.#partition);
    if (leader === undefined) throw new Error('the partition has no leader');
    const connection = await cluster.connection(leader, `produce ${this.#partition % lanes}`);
    const call = produceCall(
      cluster.topic,
      this.#partition,
      batch.map((each) => each.record),
      { nowMs: clock.nowMs(), timeoutMs },
    );
    return connection.request(call, timeoutMs + 500);
  }

  /**
   * Settles a batch by its answer, which is valid only if it is about exactly this partition and has an
   * offset.
   *
   * @returns the error of a retry; undefined when the whole batch is settled
   */
  #settle(batch: readonly Pending[], answer: ProduceAnswer): number | undefined {
    const [only, ...extras] = answer.partitions;
    const isOurs =
      extras.length === 0 &&
      only?.topic === this.#options.cluster.topic &&
      only.partition === this.#partition;
    if (!isOurs) throw new Error('the broker answered for other partitions than it was asked for');
    const { errorCode, baseOffset } = only;
    if (errorCode === kafkaErrors.none) {
      if (!(baseOffset >= 0)) throw new Error(`the broker answered with offset ${baseOffset}`);
      this.#ackedEnd = Math.max(this.#ackedEnd, baseOffset + batch.length);
      batch.forEach((each, i) => succeed(each, baseOffset + i));
      return undefined;
    }
    if (tooLargeErrors.has(errorCode) && batch.length === 1) {
      const bytes = frameBytes(batch[0].record);
      fail(
        batch[0],
        new LokiError('bodyTooLarge', `kafka: a record of ${bytes} bytes exceeds max.message.bytes`),
      );
      return undefined;
    }
    if (finalErrors.has(errorCode)) {
      const error = new LokiError('logNotAcked', `kafka: ${kafkaErrorName(errorCode)}`);
      for (const each of batch) fail(each, error);
      return undefined;
    }
    return errorCode;
  }
}

function succeed(pending: Pending, offset: number): void {
  if (pending.isSettled) return;
  pending.isSettled = true;
  pending.completion.resolve(offset);
}

function fail(pending: Pending, error: LokiError): void {
  if (pending.isSettled) return;
  pending.isSettled = true;
  pending.completion.reject(error);
}
