/** Kafka's requests and answers, as far as this log uses them. */
import type { LogRecord } from '@loki/ports';
import { batchBytes, writeBatch } from './kafka-batch.ts';
import type { BatchOrder } from './kafka-batch.ts';
import { KafkaBytesReader, KafkaBytesWriter } from './kafka-bytes.ts';
import { kafkaErrors } from './kafka-errors.ts';

/**
 * A request of this log. It needs four, each in one version that brokers from 2.3 to 4 support, and uses a
 * fifth where it is allowed. They are our own code, because the client library discards a whole answer for
 * one partition's error and copies a record six times when it writes (6.6 CPU seconds a GB).
 */
export interface KafkaCall<T> {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  readonly body: Buffer;
  decode(answer: Buffer): T;
}

/** The common part of all answers: the client library waits for `clientSideThrottleTime` (broker quotas). */
export interface KafkaAnswer {
  readonly clientSideThrottleTime: number;
}

/** Used versions by API key; a broker must support them. */
export const apiVersionsUsed: ReadonlyMap<number, { name: string; version: number }> = new Map([
  [0, { name: 'Produce', version: 7 }],
  [1, { name: 'Fetch', version: 11 }],
  [2, { name: 'ListOffsets', version: 5 }],
  [3, { name: 'Metadata', version: 5 }],
]);

export interface KafkaNode {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

interface KafkaPartition {
  readonly partition: number;
  /** -1: currently none. */
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

export interface MetadataAnswer extends KafkaAnswer {
  readonly nodes: readonly KafkaNode[];
  readonly errorCode: number;
  readonly partitions: readonly KafkaPartition[];
}

/** Asks for the leaders of one topic's partitions. A partition without leader is no error here. */
export function metadataCall(topic: string): KafkaCall<MetadataAnswer> {
  const body = new KafkaBytesWriter(4 + textBytes(topic) + 1).i32(1).text(topic).i8(0).bytes;
  const decode = (answer: Buffer): MetadataAnswer => {
    const reader = new KafkaBytesReader(answer);
    const clientSideThrottleTime = reader.i32();
    const nodes = reader.array(() => {
      const node = { nodeId: reader.i32(), host: reader.text() ?? '', port: reader.i32() };
      reader.text(); // rack
      return node;
    });
    reader.text(); // cluster id
    reader.i32(); // controller
    const topics = reader.array(() => {
      const errorCode = reader.i16();
      const name = reader.text();
      reader.i8(); // internal
      const partitions = reader.array(() => {
        reader.i16(); // its error: no leader, which the leader field also shows
        const partition = reader.i32();
        const leader = reader.i32();
        const replicas = reader.array(() => reader.i32());
        const inSync = reader.array(() => reader.i32());
        reader.array(() => reader.i32()); // offline
        return { partition, leader, replicas, inSync };
      });
      return { errorCode, name, partitions };
    });
    const topicAnswer = topics.find((each) => each.name === topic);
    return {
      clientSideThrottleTime,
      nodes,
      errorCode: topicAnswer ? topicAnswer.errorCode : kafkaErrors.unknownTopicOrPartition,
      partitions: topicAnswer ? topicAnswer.partitions : [],
    };
  };
  return { apiKey: 3, apiVersion: 5, apiName: 'Metadata', body, decode };
}

export interface ProduceAnswer extends KafkaAnswer {
  /** One entry for each partition in the broker's answer. */
  readonly partitions: readonly { topic: string; partition: number; errorCode: number; baseOffset: number }[];
}

/** Appends records to one partition: acknowledged by all replicas in sync, or not at all. */
export function produceCall(
  topic: string,
  partition: number,
  records: readonly LogRecord[],
  options: { nowMs: number; timeoutMs: number; order?: BatchOrder },
): KafkaCall<ProduceAnswer> {
  const setBytes = batchBytes(records);
  const writer = new KafkaBytesWriter(2 + 2 + 4 + 4 + textBytes(topic) + 4 + 4 + 4 + setBytes);
  writer.text(undefined).i16(-1).i32(options.timeoutMs);
  writer.i32(1).text(topic).i32(1).i32(partition).i32(setBytes);
  writeBatch(writer, records, { partition, nowMs: options.nowMs, order: options.order });
  const decode = (answer: Buffer): ProduceAnswer => {
    const reader = new KafkaBytesReader(answer);
    const partitions = reader
      .array(() => {
        const name = reader.text() ?? '';
        return reader.array(() => {
          const partitionAnswer = {
            topic: name,
            partition: reader.i32(),
            errorCode: reader.i16(),
            baseOffset: reader.i64(),
          };
          reader.i64(); // log append time
          reader.i64(); // log start offset
          return partitionAnswer;
        });
      })
      .flat();
    return { partitions, clientSideThrottleTime: reader.i32() };
  };
  return { apiKey: 0, apiVersion: 7, apiName: 'Produce', body: writer.bytes, decode };
}

interface ProducerIdAnswer extends KafkaAnswer {
  readonly errorCode: number;
  readonly producer: { readonly id: number; readonly epoch: number };
}

/** Asks for a new id of an idempotent producer. Any broker answers, if the client may write. */
export function initProducerIdCall(): KafkaCall<ProducerIdAnswer> {
  // No transactional id; its timeout means nothing.
  const body = new KafkaBytesWriter(2 + 4).text(undefined).i32(60_000).bytes;
  const decode = (answer: Buffer): ProducerIdAnswer => {
    const reader = new KafkaBytesReader(answer);
    const clientSideThrottleTime = reader.i32();
    const errorCode = reader.i16();
    return { clientSideThrottleTime, errorCode, producer: { id: reader.i64(), epoch: reader.i16() } };
  };
  return { apiKey: 22, apiVersion: 1, apiName: 'InitProducerId', body, decode };
}

interface FetchPartition {
  readonly partition: number;
  readonly offset: number;
}

export interface FetchAnswer extends KafkaAnswer {
  readonly errorCode: number;
  readonly partitions: readonly {
    partition: number;
    errorCode: number;
    highWatermark: number;
    /** Record batches, as a view of the answer. */
    records: Buffer;
  }[];
  readonly sizeBytes: number;
}

/** Asks for the records at some offsets; the broker waits up to `waitMs` for the first record. */
export function fetchCall(
  topic: string,
  partitions: readonly FetchPartition[],
  options: { waitMs: number; bytesMax: number; partitionBytesMax: number },
): KafkaCall<FetchAnswer> {
  const writer = new KafkaBytesWriter(
    4 + 4 + 4 + 4 + 1 + 4 + 4 + 4 + textBytes(topic) + 4 + 28 * partitions.length + 4 + 2,
  );
  writer.i32(-1).i32(options.waitMs).i32(1).i32(options.bytesMax).i8(0);
  writer.i32(0).i32(-1); // no fetch session
  writer.i32(1).text(topic).i32(partitions.length);
  for (const { partition, offset } of partitions) {
    writer.i32(partition).i32(-1).i64(offset).i64(-1).i32(options.partitionBytesMax);
  }
  writer.i32(0).text('');
  const decode = (answer: Buffer): FetchAnswer => {
    const reader = new KafkaBytesReader(answer);
    const clientSideThrottleTime = reader.i32();
    const errorCode = reader.i16();
    reader.i32(); // session
    const partitionAnswers = reader.array(() => {
      reader.text();
      return reader.array(() => {
        const partition = reader.i32();
        const partitionError = reader.i16();
        const highWatermark = reader.i64();
        reader.i64(); // last stable offset
        reader.i64(); // log start offset
        reader.array(() => reader.skip(16)); // aborted transactions
        reader.i32(); // preferred replica
        return { partition, errorCode: partitionError, highWatermark, records: reader.view(reader.i32()) };
      });
    });
    return {
      clientSideThrottleTime,
      errorCode,
      partitions: partitionAnswers.flat(),
      sizeBytes: answer.length,
    };
  };
  return { apiKey: 1, apiVersion: 11, apiName: 'Fetch', body: writer.bytes, decode };
}

interface OffsetsAnswer extends KafkaAnswer {
  readonly partitions: readonly { partition: number; errorCode: number; offset: number }[];
}

/**
 * Asks for the start or end of partitions. The end is the first offset that not all in-sync replicas have.
 */
export function offsetsCall(
  topic: string,
  partitions: readonly number[],
  edge: 'start' | 'end',
): KafkaCall<OffsetsAnswer> {
  const writer = new KafkaBytesWriter(4 + 1 + 4 + textBytes(topic) + 4 + 16 * partitions.length);
  writer.i32(-1).i8(0).i32(1).text(topic).i32(partitions.length);
  for (const partition of partitions) {
    writer
      .i32(partition)
      .i32(-1)
      .i64(edge === 'start' ? -2 : -1);
  }
  const decode = (answer: Buffer): OffsetsAnswer => {
    const reader = new KafkaBytesReader(answer);
    const clientSideThrottleTime = reader.i32();
    const partitionAnswers = reader.array(() => {
      reader.text();
      return reader.array(() => {
        const partition = reader.i32();
        const errorCode = reader.i16();
        reader.i64(); // timestamp
        const offset = reader.i64();
        reader.i32(); // leader epoch
        return { partition, errorCode, offset };
      });
    });
    return { clientSideThrottleTime, partitions: partitionAnswers.flat() };
  };
  return { apiKey: 2, apiVersion: 5, apiName: 'ListOffsets', body: writer.bytes, decode };
}

function textBytes(text: string): number {
  return 2 + Buffer.byteLength(text);
}
