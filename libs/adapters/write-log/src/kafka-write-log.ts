/** The write log in a Kafka topic: step *write log* of a written line. */
import { LokiError, mib } from '@loki/model';
import type { Clock, LoggedRecord, Logger, LogRecord, Random, Timers, WriteLog } from '@loki/ports';
import { KafkaAppender } from './kafka-appender.ts';
import { batchBytesMax, frameBytes, frameHeaderBytes } from './kafka-batch.ts';
import { KafkaCluster } from './kafka-cluster.ts';
import type { KafkaBrokers } from './kafka-cluster.ts';
import { withAdmin } from './kafka-connection.ts';
import type { KafkaDialOptions, KafkaSasl, KafkaTls } from './kafka-connection.ts';
import { KafkaOffsets } from './kafka-offsets.ts';
import { KafkaReader } from './kafka-reader.ts';
import { prepareTopic } from './kafka-topic.ts';
import type { KafkaTopicFacts } from './kafka-topic.ts';

/** A record of the topic that could not be believed. */
export interface KafkaLogDamage {
  readonly partition: number;
  readonly offset: number;
  readonly fault: string;
}

export interface KafkaWriteLogOptions {
  readonly topic: string;
  readonly partitionCount: number;
  /** `host:port` of some brokers. */
  readonly writerBrokers: readonly string[];
  /** Where to read from, when those are others. */
  readonly readerBrokers?: readonly string[];
  readonly clientId: string;
  readonly sasl?: KafkaSasl;
  readonly tls?: KafkaTls;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
  /** Called for each record that is stepped over. */
  readonly onDamage?: (damage: KafkaLogDamage) => void;
  /** Makes the topic when there is none. Default: true. */
  readonly autoCreateTopic?: boolean;
  /** Of a topic that is made. Default: the brokers' own. */
  readonly replicationFactor?: number;
  /**
   * Counts topics that this log has had. Offsets of each epoch stand above all of the one before: raised when
   * the topic was made anew, because offsets that start again at 0 would pass for records that were flushed
   * long ago.
   */
  readonly epoch?: number;
  /** Per partition: what is known to have existed (the catalog's end). A topic that ends below is refused. */
  readonly atLeast?: readonly number[];
  /** A larger record is refused, payload and frame. Default 15 MiB. */
  readonly recordBytesMax?: number;
  /** Bytes that wait for their acknowledgement, over all partitions; more is refused. Default 128 MiB. */
  readonly pendingBytesMax?: number;
  /** Read ahead for a consumer of one partition. Default 4 MiB. */
  readonly partitionBufferBytesMax?: number;
  /** Read ahead for all consumers. Default 128 MiB. */
  readonly bufferBytesMax?: number;
  /** To reach a broker. Default 2 s. */
  readonly dialTimeoutMs?: number;
  /** For one append with all its attempts. Default 10 s. */
  readonly writeTimeoutMs?: number;
  /** How long brokers may be away at the start. Default 60 s. */
  readonly startTimeoutMs?: number;
  /** Have Kafka delete what was flushed, instead of waiting for its retention. Default: false. */
  readonly deletesRecords?: boolean;
}

/** Everything between the log and real brokers. */
export interface KafkaDeps {
  readonly writers: KafkaBrokers;
  readonly readers: KafkaBrokers;
  /** Makes the topic when it is missing, and checks it. */
  prepareTopic(messageBytesMax: number): Promise<KafkaTopicFacts>;
  /** Have Kafka forget what stands below an offset. */
  deleteRecords(partition: number, offset: number): Promise<void>;
}

const writerIdPattern = /^[0-9a-f]{32}$/;
/** Offsets of one epoch: 17 million million records of a partition; 511 epochs are exact numbers. */
const offsetsPerEpoch = 2 ** 44;
const epochMax = 511;
const startPauseMs = 1_000;
/** No broker is believed to take less: it would be a fault of another kind. */
const recordBytesLeast = 16 * 1024;
/** Between two requests to delete records of a partition. */
const deletePauseMs = 60_000;

/**
 * A write log in one topic of Kafka: a record is acknowledged when all replicas in sync have it. FORMAT.md
 * has the bytes. Offsets are Kafka's, above those of earlier epochs.
 */
export class KafkaWriteLog implements WriteLog {
  readonly partitionCount: number;
  readonly #options: KafkaWriteLogOptions;
  readonly #deps: KafkaDeps;
  readonly #base: number;
  readonly #reader: KafkaReader;
  readonly #ends: KafkaOffsets;
  readonly #starts: KafkaOffsets;
  readonly #deletedMs = new Map<number, number>();
  readonly #pendingBytesMax: number;
  #appenders: readonly KafkaAppender[] = [];
  #recordBytesMax: number;
  #pendingBytes = 0;
  #isClosed = false;

  private constructor(options: KafkaWriteLogOptions, deps: KafkaDeps) {
    const { clock, timers, random, logger, epoch = 0 } = options;
    if (!Number.isInteger(epoch) || epoch < 0 || epoch > epochMax) {
      throw new RangeError(`write_log.kafka_epoch: ${epoch} is not within 0 and ${epochMax}`);
    }
    this.#options = options;
    this.#deps = deps;
    this.partitionCount = options.partitionCount;
    this.#base = epoch * offsetsPerEpoch;
    this.#recordBytesMax = options.recordBytesMax ?? 15 * mib;
    this.#pendingBytesMax = options.pendingBytesMax ?? 128 * mib;
    const readers = { cluster: deps.readers, timers, random };
    this.#ends = new KafkaOffsets({ ...readers, which: 'end' });
    this.#starts = new KafkaOffsets({ ...readers, which: 'start' });
    this.#reader = new KafkaReader({
      ...readers,
      clock,
      logger,
      partitionBufferBytesMax: options.partitionBufferBytesMax ?? 4 * mib,
      bufferBytesMax: options.bufferBytesMax ?? 128 * mib,
      startOffset: (partition) => this.#starts.of(partition),
      onDamage: (damage) => this.#damaged(damage),
    });
  }

  /**
   * Reaches the brokers, makes the topic when it is missing, and checks that it can be what this log was
   * before.
   *
   * @throws LokiError `unavailable` when no broker answers in `startTimeoutMs`; `internal` for a topic that
   *   does not fit; `corrupt` for one that has lost what is known to have existed
   */
  static open(options: KafkaWriteLogOptions): Promise<KafkaWriteLog> {
    return KafkaWriteLog.openOn(realWorld(options), options);
  }

  /** The same on brokers of any kind. */
  static async openOn(deps: KafkaDeps, options: KafkaWriteLogOptions): Promise<KafkaWriteLog> {
    const log = new KafkaWriteLog(options, deps);
    try {
      const facts = await log.#start(() => log.#prepare());
      await log.#start(() => log.#checkEnds());
      log.#listen(facts);
      return log;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  get recordBytesMax(): number {
    return this.#recordBytesMax - frameHeaderBytes;
  }

  /**
   * LokiError `logNotAcked` when Kafka has not acknowledged it in time (it may come to be there all the
   * same), `overloaded` when too much waits, `bodyTooLarge` for a record that the topic does not take.
   */
  async append(partition: number, record: LogRecord, waitedMs = 0): Promise<number> {
    const appender = this.#appenders[this.#checked(partition)];
    if (!writerIdPattern.test(record.writerId)) throw new TypeError('a writer id has 32 hex digits');
    const bytes = frameBytes(record);
    if (bytes > this.#recordBytesMax) {
      throw new LokiError(
        'bodyTooLarge',
        `write log: a record of ${bytes} bytes exceeds ${this.#recordBytesMax}`,
      );
    }
    if (this.#isClosed) throw new LokiError('logNotAcked', 'the write log is closed');
    if (this.#pendingBytes + bytes > this.#pendingBytesMax) {
      throw new LokiError('overloaded', 'the write log cannot keep up: too many bytes wait for Kafka');
    }
    this.#pendingBytes += bytes;
    try {
      return this.#base + (await appender.append(record, waitedMs));
    } catch (error) {
      if (error instanceof LokiError && error.code === 'bodyTooLarge') this.#refused(bytes);
      throw error;
    } finally {
      this.#pendingBytes -= bytes;
    }
  }

  async read(
    partition: number,
    fromOffset: number,
    options: { bytesMax: number; waitMs: number; signal?: AbortSignal },
  ): Promise<LoggedRecord[]> {
    const from = Math.max(0, fromOffset - this.#base);
    const records = await this.#reader.read(this.#checked(partition), from, options);
    return this.#base === 0
      ? records
      : records.map((record) => ({ ...record, offset: this.#base + record.offset }));
  }

  async endOffset(partition: number): Promise<number> {
    const acked = this.#appenders[this.#checked(partition)].ackedEnd;
    return this.#base + Math.max(acked, await this.#ends.of(partition));
  }

  async startOffset(partition: number): Promise<number> {
    return this.#base + (await this.#starts.of(this.#checked(partition)));
  }

  /** Kafka's retention forgets; only when so configured it is asked to, once a minute for each partition. */
  async truncateBefore(partition: number, offset: number): Promise<void> {
    const kafkaOffset = offset - this.#base;
    if (this.#options.deletesRecords !== true || kafkaOffset <= 0 || this.#isClosed) return;
    const nowMs = this.#options.clock.monotonicMs();
    const lastMs = this.#deletedMs.get(this.#checked(partition));
    if (lastMs !== undefined && nowMs - lastMs < deletePauseMs) return;
    this.#deletedMs.set(partition, nowMs);
    try {
      await this.#deps.deleteRecords(partition, kafkaOffset);
    } catch (cause) {
      throw new LokiError('unavailable', `kafka: records of partition ${partition} could not be deleted`, {
        cause,
      });
    }
  }

  /** Appends that are under way may still be acknowledged by Kafka, but nobody is told. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reader.close();
    for (const appender of this.#appenders) appender.close();
    this.#deps.writers.close();
    this.#deps.readers.close();
  }

  #checked(partition: number): number {
    if (!Number.isInteger(partition) || partition < 0 || partition >= this.partitionCount) {
      throw new RangeError(`partition ${partition} of ${this.partitionCount}`);
    }
    return partition;
  }

  /** Until it succeeds, or brokers were away for too long; what is wrong with the topic is said at once. */
  async #start<T>(action: () => Promise<T>): Promise<T> {
    const { clock, timers, logger, topic, startTimeoutMs = 60_000 } = this.#options;
    const deadlineMs = clock.monotonicMs() + startTimeoutMs;
    for (;;) {
      try {
        return await action();
      } catch (error) {
        if (error instanceof LokiError && error.code !== 'unavailable') throw error;
        const reason = error instanceof Error ? error.message : String(error);
        if (clock.monotonicMs() >= deadlineMs) {
          throw new LokiError('unavailable', `kafka topic ${topic} cannot be opened: ${reason}`, {
            cause: error,
          });
        }
        logger?.warn('kafka: the topic cannot be opened yet', { topic, err: reason });
      }
      await timers.sleep(startPauseMs);
    }
  }

  async #prepare(): Promise<KafkaTopicFacts> {
    const facts = await this.#deps.prepareTopic(batchBytesMax(this.#recordBytesMax, 1));
    await Promise.all([this.#deps.writers.refresh(), this.#deps.readers.refresh()]);
    return facts;
  }

  async #checkEnds(): Promise<void> {
    const { atLeast = [], topic, epoch = 0 } = this.#options;
    await Promise.all(
      atLeast.map(async (least, partition) => {
        if (least <= 0) return;
        const end = this.#base + (await this.#ends.of(partition));
        if (end >= least) return;
        throw new LokiError(
          'corrupt',
          `kafka topic ${topic}: partition ${partition} ends at offset ${end}, but records up to ${least} were committed: the topic was made anew or has lost records. New records would pass for old ones; set write_log.kafka_epoch to ${Math.max(epoch + 1, Math.ceil(least / offsetsPerEpoch))} in all processes to go on above`,
        );
      }),
    );
  }

  #listen({ messageBytesMax }: KafkaTopicFacts): void {
    const { clock, timers, random, logger, writeTimeoutMs = 10_000, topic } = this.#options;
    const batchMax = messageBytesMax ?? batchBytesMax(this.#recordBytesMax, 1);
    const recordMax = batchMax - batchBytesMax(0, 1);
    if (recordMax < this.#recordBytesMax) {
      logger?.warn('kafka: the topic takes smaller records than are configured', {
        topic,
        maxMessageBytes: batchMax,
        recordBytesMax: this.#recordBytesMax,
      });
      this.#recordBytesMax = recordMax;
    }
    this.#appenders = Array.from(
      { length: this.partitionCount },
      (_, partition) =>
        new KafkaAppender(partition, {
          cluster: this.#deps.writers,
          clock,
          timers,
          random,
          logger,
          writeTimeoutMs,
          messageBytesMax: batchMax,
        }),
    );
  }

  /**
   * Brokers take less than they said at the start, or would not say: `max.message.bytes` was lowered, or may
   * not be read. Another attempt makes smaller records.
   */
  #refused(bytes: number): void {
    const learned = Math.max(recordBytesLeast, Math.floor(bytes / 2));
    if (learned >= this.#recordBytesMax) return;
    this.#options.logger?.warn('kafka: the brokers refused a record for its size; smaller ones from now on', {
      topic: this.#options.topic,
      bytes,
      recordBytesMax: learned,
    });
    this.#recordBytesMax = learned;
  }

  #damaged(damage: KafkaLogDamage): void {
    const { logger, onDamage, topic } = this.#options;
    const offset = this.#base + damage.offset;
    logger?.error('kafka: a record cannot be believed and is stepped over', { topic, ...damage, offset });
    onDamage?.({ ...damage, offset });
  }
}

function realWorld(options: KafkaWriteLogOptions): KafkaDeps {
  const { topic, partitionCount, writerBrokers, readerBrokers = [], clock, timers, random, logger } = options;
  const { clientId, sasl, tls, dialTimeoutMs = 2_000, replicationFactor, autoCreateTopic = true } = options;
  const dial: KafkaDialOptions = { clientId, sasl, tls, dialTimeoutMs, timers, logger };
  const clusterOf = (brokers: readonly string[]): KafkaCluster =>
    new KafkaCluster({ topic, dial, clock, timers, random, logger, brokers });
  return {
    writers: clusterOf(writerBrokers),
    readers: clusterOf(readerBrokers.length > 0 ? readerBrokers : writerBrokers),
    prepareTopic: (messageBytesMax) =>
      withAdmin(writerBrokers, dial, (admin) =>
        prepareTopic(admin, {
          topic,
          partitionCount,
          autoCreate: autoCreateTopic,
          replicationFactor,
          messageBytesMax,
          logger,
        }),
      ),
    deleteRecords: (partition, offset) =>
      withAdmin(writerBrokers, dial, (admin) =>
        admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] }),
      ),
  };
}
