/**
 * Records that wait for their place in the topic, the batches they travel in, and how a batch may fail: step
 * *write log* of a written line.
 */
import { LokiError } from '@loki/model';
import type { Clock, LogRecord, Logger, Random, Timers } from '@loki/ports';
import { batchBytesMax, frameBytes } from './kafka-batch.ts';
import type { BatchOrder } from './kafka-batch.ts';
import type { KafkaBrokers } from './kafka-cluster.ts';
import { kafkaErrors } from './kafka-errors.ts';
import type { KafkaProducers } from './kafka-producers.ts';
import type { ProduceAnswer } from './kafka-protocol.ts';

export interface KafkaAppenderOptions {
  readonly cluster: KafkaBrokers;
  readonly producers: Pick<KafkaProducers, 'current' | 'retire'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
  /** Deadline of an append. */
  readonly writeTimeoutMs: number;
  /** The broker's max.message.bytes: most bytes of one batch. */
  readonly messageBytesMax: number;
}

export interface Pending {
  readonly record: LogRecord;
  readonly deadlineMs: number;
  readonly completion: PromiseWithResolvers<number>;
  isSettled: boolean;
}

/**
 * Records that travel together. Once sent, a batch keeps its records: its sequence counts them.
 *
 * Readers also drop a record that stands behind a later one of its writer. So no batch is sent under a new
 * order while one before it may be acknowledged under the old one, and a batch that a later one has passed
 * counts as stored only where the broker names an offset before that one.
 */
export interface Batch {
  readonly records: readonly Pending[];
  readonly order: BatchOrder | undefined;
  isInFlight: boolean;
  /** The lowest offset of a later batch that was acknowledged first. */
  passedOffset: number | undefined;
  failure: Failure | undefined;
}

export interface Failure {
  /** Kafka's error; undefined: no valid answer. */
  readonly code: number | undefined;
  readonly reason: string;
}

/** Errors that another attempt would meet again. */
export const finalErrors: ReadonlySet<number> = new Set([
  kafkaErrors.topicAuthorizationFailed,
  kafkaErrors.clusterAuthorizationFailed,
  kafkaErrors.invalidRecord,
]);

/** Errors after which no batch of the producer is taken in this partition. */
export const orderErrors: ReadonlySet<number> = new Set([
  kafkaErrors.outOfOrderSequence,
  kafkaErrors.duplicateSequence,
  kafkaErrors.invalidProducerEpoch,
  kafkaErrors.unknownProducerId,
]);

export const tooLargeErrors: ReadonlySet<number> = new Set([
  kafkaErrors.messageTooLarge,
  kafkaErrors.recordListTooLarge,
]);

export function passedError(): LokiError {
  return new LokiError('logNotAcked', 'kafka: a later record was stored first');
}

export function succeed(pending: Pending, offset: number): void {
  if (pending.isSettled) return;
  pending.isSettled = true;
  pending.completion.resolve(offset);
}

export function fail(pending: Pending, error: LokiError): void {
  if (pending.isSettled) return;
  pending.isSettled = true;
  pending.completion.reject(error);
}

/** The first records that fit into one batch, at least one; `values`: their bytes. */
export function fittingRecords(
  records: readonly Pending[],
  messageBytesMax: number,
  isSingle: boolean,
): { count: number; values: number } {
  let values = 0;
  let count = 0;
  for (; count < records.length && (count === 0 || !isSingle); count++) {
    const bytes = frameBytes(records[count].record);
    if (count > 0 && batchBytesMax(values + bytes, count + 1) > messageBytesMax) break;
    values += bytes;
  }
  return { count, values };
}

/**
 * The answer for exactly this partition; throws when it is about others, or acknowledges without an offset.
 */
export function answerOf(
  answer: ProduceAnswer,
  topic: string,
  partition: number,
): ProduceAnswer['partitions'][number] {
  const [only, ...extras] = answer.partitions;
  if (extras.length > 0 || only?.topic !== topic || only.partition !== partition) {
    throw new Error('the broker answered for other partitions than requested');
  }
  const { errorCode, baseOffset } = only;
  if (errorCode === kafkaErrors.none && !(baseOffset >= 0)) {
    throw new Error(`the broker answered with offset ${baseOffset}`);
  }
  return only;
}

export function tooLargeError({ record }: Pending): LokiError {
  const bytes = frameBytes(record);
  return new LokiError('bodyTooLarge', `kafka: a record of ${bytes} bytes exceeds max.message.bytes`);
}

/** Resolves when the caller of each record has its answer, or has given up. */
export function settled(records: readonly Pending[]): Promise<unknown> {
  const open = records.filter((each) => !each.isSettled);
  return Promise.allSettled(open.map((each) => each.completion.promise));
}

/** Half of the time for one attempt, which leaves time for another one at the partition's next leader. */
export function attemptTimeoutMs(records: readonly Pending[], nowMs: number, writeTimeoutMs: number): number {
  const latestMs = Math.max(...records.map(({ deadlineMs }) => deadlineMs));
  return Math.ceil(Math.max(100, Math.min(latestMs - nowMs, writeTimeoutMs / 2)));
}
