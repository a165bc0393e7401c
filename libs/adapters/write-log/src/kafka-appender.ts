/** Appends to one partition of the topic: several batches in flight, in order. */
import { LokiError } from '@loki/model';
import type { LogRecord } from '@loki/ports';
import {
  fail,
  finalErrors,
  orderErrors,
  passedError,
  succeed,
  tooLargeErrors,
  answerOf,
  attemptTimeoutMs,
  settled,
  tooLargeError,
  fittingRecords,
} from './append-batches.ts';
import type { Batch, Failure, KafkaAppenderOptions, Pending } from './append-batches.ts';
import {
  attemptMsMin,
  inFlightBytesMin,
  inFlightMax,
  lanes,
  pauseMaxMs,
  pauseMinMs,
  provenMs,
  sequencesMax,
} from './append-bounds.ts';
import type { BatchOrder } from './kafka-batch.ts';
import { kafkaErrorName, kafkaErrors } from './kafka-errors.ts';
import type { KafkaProducer } from './kafka-producers.ts';
import { produceCall } from './kafka-protocol.ts';
import type { ProduceAnswer } from './kafka-protocol.ts';

/**
 * Appends to one partition. Records that arrive while small batches are in flight form the next batch. Up to
 * five large batches are in flight, under a producer id: the broker takes them in the order of their sequence
 * and leaves none out, so a batch that fails makes the ones behind it fail, and all are sent again in order.
 * Offsets rise in the order of the calls. An attempt without an answer is repeated until the deadline:
 * readers drop repeats by (writerId, sequence).
 */
export class KafkaAppender {
  readonly #partition: number;
  readonly #options: KafkaAppenderOptions;
  #waiting: Pending[] = [];
  /** Batches that were sent and not acknowledged, in their order. */
  #line: Batch[] = [];
  #isSending = false;
  /** Wakes the sender for records that arrive while it waits for answers. */
  #arrived = Promise.withResolvers<void>();
  #producer: KafkaProducer | undefined;
  #nextSequence = 0;
  /** When a batch of the producer was acknowledged last. */
  #provenMs = Number.NEGATIVE_INFINITY;
  /** The number of next records that travel alone: together they were too large. */
  #singles = 0;
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
    this.#arrived.resolve();
    if (!this.#isSending) void this.#sendAll();
    try {
      return await pending.completion.promise;
    } finally {
      timer.cancel();
    }
  }

  /** Gives up all waiting records. Batches in flight may still be stored. */
  close(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of [...this.#line.flatMap(({ records }) => records), ...waiting]) {
      fail(each, new LokiError('logNotAcked', 'the write log is closed'));
    }
  }

  /** Never rejects. */
  async #sendAll(): Promise<void> {
    const { timers, random, logger, cluster } = this.#options;
    this.#isSending = true;
    // Appends of the same turn share the first batch.
    await Promise.resolve();
    let pauseMs = pauseMinMs;
    for (let attempt = 1; ; attempt++) {
      const before = this.#ackedEnd;
      await this.#stream();
      if (this.#ackedEnd > before) {
        attempt = 1;
        pauseMs = pauseMinMs;
      }
      const failure = this.#recover();
      if (failure === undefined) {
        if (this.#waiting.length > 0) continue;
        break;
      }
      logger?.[attempt === 1 ? 'debug' : 'warn']('kafka: an append is tried again', {
        partition: this.#partition,
        attempt,
        err: failure.reason,
      });
      // When all callers have given up, the next batch must not wait.
      const allSettled = settled([...this.#line.flatMap(({ records }) => records), ...this.#waiting]);
      await Promise.race([timers.sleep(pauseMs * (0.5 + random.float())), allSettled]);
      pauseMs = Math.min(2 * pauseMs, pauseMaxMs);
      await cluster.refresh().catch(() => undefined); // the next attempt reports the cause
      this.#dropGivenUp();
    }
    this.#isSending = false;
  }

  /** Sends until nothing waits, or a batch has failed; all requests have ended then. */
  async #stream(): Promise<void> {
    const inFlight = new Set<Promise<void>>();
    let hasFailed = false;
    for (;;) {
      this.#arrived = Promise.withResolvers();
      for (let batch = this.#next(inFlight.size, hasFailed); batch;) {
        const request = this.#send(batch).then((isAcked) => {
          inFlight.delete(request);
          hasFailed ||= !isAcked;
        });
        inFlight.add(request);
        batch = this.#next(inFlight.size, hasFailed);
      }
      if (inFlight.size === 0) return;
      await Promise.race([...inFlight, this.#arrived.promise]);
    }
  }

  /** The batch to send besides those in flight: one that is sent again, or a new one. */
  #next(inFlightCount: number, hasFailed: boolean): Batch | undefined {
    if (hasFailed) return undefined;
    if (inFlightCount > 0) {
      const isProven = this.#options.clock.monotonicMs() - this.#provenMs < provenMs;
      if (!this.#producer || !isProven || inFlightCount >= inFlightMax) return undefined;
    }
    const unsent = this.#line.find((each) => !each.isInFlight);
    return unsent ?? this.#newBatch(inFlightCount);
  }

  #newBatch(inFlightCount: number): Batch | undefined {
    const alive = this.#waiting.filter((each) => !each.isSettled);
    this.#waiting = alive;
    const { count, values } = fittingRecords(alive, this.#options.messageBytesMax, this.#singles > 0);
    const isEnough = inFlightCount === 0 || (values >= inFlightBytesMin && this.#singles === 0);
    if (count === 0 || !isEnough) return undefined;
    if (this.#singles > 0) this.#singles--;
    const records = alive.slice(0, count);
    this.#waiting = alive.slice(count);
    const batch = { records, order: this.#order(count), isInFlight: false, passedOffset: undefined };
    this.#line.push({ ...batch, failure: undefined });
    return this.#line.at(-1);
  }

  /** The place of the next batch; undefined while there is no producer id. */
  #order(records: number): BatchOrder | undefined {
    if (this.#line.length === 0 && !this.#producer) {
      const leader = this.#options.cluster.leader(this.#partition);
      this.#producer = leader === undefined ? undefined : this.#options.producers.current(leader);
      this.#nextSequence = 0;
    }
    if (!this.#producer) return undefined;
    const firstSequence = this.#nextSequence;
    this.#nextSequence = (firstSequence + records) % sequencesMax;
    return { producer: this.#producer, firstSequence };
  }

  /**
   * Sends a batch once, and settles it by the answer.
   *
   * @returns whether it was acknowledged. Never rejects
   */
  async #send(batch: Batch): Promise<boolean> {
    const { clock, writeTimeoutMs } = this.#options;
    batch.isInFlight = true;
    batch.failure = undefined;
    const timeoutMs = attemptTimeoutMs(batch.records, clock.monotonicMs(), writeTimeoutMs);
    try {
      const answer = await this.#produce(batch, timeoutMs);
      const code = this.#settle(batch, answer);
      if (code !== undefined) batch.failure = { code, reason: kafkaErrorName(code) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      batch.failure = { code: undefined, reason };
    }
    batch.isInFlight = false;
    return batch.failure === undefined;
  }

  async #produce(batch: Batch, timeoutMs: number): Promise<ProduceAnswer> {
    const { cluster, clock } = this.#options;
    const leader = cluster.leader(this.#partition);
    if (leader === undefined) throw new Error('the partition has no leader');
    const connection = await cluster.connection(leader, `produce ${this.#partition % lanes}`);
    const call = produceCall(
      cluster.topic,
      this.#partition,
      batch.records.map((each) => each.record),
      { nowMs: clock.nowMs(), timeoutMs, order: batch.order },
    );
    return connection.request(call, timeoutMs + 500);
  }

  /**
   * Settles a batch by its answer, which is valid only if it is about exactly this partition and has an
   * offset.
   *
   * @returns Kafka's error; undefined: all of it is acknowledged
   */
  #settle(batch: Batch, answer: ProduceAnswer): number | undefined {
    const { errorCode, baseOffset } = answerOf(answer, this.#options.cluster.topic, this.#partition);
    if (errorCode !== kafkaErrors.none) return errorCode;
    const { records, order } = batch;
    this.#ackedEnd = Math.max(this.#ackedEnd, baseOffset + records.length);
    if (order && order.producer === this.#producer) this.#provenMs = this.#options.clock.monotonicMs();
    const at = this.#line.indexOf(batch);
    this.#line.splice(at, 1);
    if (baseOffset > (batch.passedOffset ?? Infinity)) {
      for (const each of records) fail(each, passedError());
      return undefined;
    }
    records.forEach((each, i) => succeed(each, baseOffset + i));
    for (const earlier of this.#line.slice(0, at)) {
      earlier.passedOffset = Math.min(earlier.passedOffset ?? Infinity, baseOffset);
    }
    return undefined;
  }

  /**
   * Prepares the line for another attempt, once no request is in flight.
   *
   * @returns the reason for a pause; undefined: none is needed
   */
  #recover(): Failure | undefined {
    const first = this.#line.at(0);
    if (!first) return undefined;
    this.#provenMs = Number.NEGATIVE_INFINITY;
    const { code, reason } = first.failure ?? { code: undefined, reason: 'not sent' };
    if (code !== undefined && tooLargeErrors.has(code)) {
      const { records } = first;
      if (records.length === 1) fail(records[0], tooLargeError(records[0]));
      this.#beginAnew();
      if (records.length > 1) this.#singles = Math.max(this.#singles, records.length);
      return undefined;
    }
    if (code !== undefined && finalErrors.has(code)) {
      for (const each of first.records) fail(each, new LokiError('logNotAcked', `kafka: ${reason}`));
      this.#beginAnew();
      return undefined;
    }
    const isBroken = code !== undefined && orderErrors.has(code);
    if (isBroken || !first.order) this.#beginAnew();
    return { code, reason };
  }

  /** A batch that all its callers have given up is not sent again, so those behind it need another order. */
  #dropGivenUp(): void {
    if (this.#line.some(({ records }) => records.every((each) => each.isSettled))) this.#beginAnew();
  }

  /** Records that wait for an answer become new batches, under another producer id. */
  #beginAnew(): void {
    const open: Pending[] = [];
    for (const { records, passedOffset } of this.#line) {
      for (const each of records) {
        if (passedOffset !== undefined) fail(each, passedError());
        else if (!each.isSettled) open.push(each);
      }
    }
    this.#line = [];
    this.#waiting = [...open, ...this.#waiting];
    if (this.#producer) this.#options.producers.retire(this.#producer);
    this.#producer = undefined;
  }
}
