/** The write log in a Kafka topic: step *write log* of a written line. */
import { LokiError, mib } from '@loki/model';
import type { LogRecord, LoggedRecord, WriteLog } from '@loki/ports';
import { KafkaAppender } from './kafka-appender.ts';
import { batchBytesMax, frameBytes, frameHeaderBytes } from './kafka-batch.ts';
import { realWorld } from './kafka-brokers.ts';
import { KafkaOffsets } from './kafka-offsets.ts';
import { KafkaProducers } from './kafka-producers.ts';
import { KafkaReader } from './kafka-reader.ts';
import type { KafkaTopicFacts } from './kafka-topic.ts';
import type { KafkaDeps, KafkaLogDamage, KafkaWriteLogOptions } from './kafka-write-log-options.ts';

const writerIdPattern = /^[0-9a-f]{32}$/;
/** Offsets of one epoch: 1.7e13 records of a partition; 511 epochs are exact numbers. */
const offsetsPerEpoch = 2 ** 44;
const epochMax = 511;
const startPauseMs = 1_000;
/** Smallest assumed bound of records: a refusal of smaller ones must be another fault. */
const recordBytesLeast = 16 * 1024;
/** Pause between two requests to delete records of a partition. */
const deletePauseMs = 60_000;

/**
 * A write log in one topic of Kafka: a record is acknowledged when all in-sync replicas have it. FORMAT.md
 * draws the bytes. Offsets are Kafka's, above those of earlier epochs.
 */
export class KafkaWriteLog implements WriteLog {
  readonly #options: KafkaWriteLogOptions;
  readonly #deps: KafkaDeps;
  readonly #base: number;
  readonly #reader: KafkaReader;
  readonly #ends: KafkaOffsets;
  readonly #starts: KafkaOffsets;
  readonly #deletedMs = new Map<number, number>();
  readonly #pendingBytesMax: number;
  /** By partition; made at the first use, as partitions are added while this process runs. */
  readonly #appenders: KafkaAppender[] = [];
  #producers: KafkaProducers | undefined;
  #expectedPartitions: number;
  #batchBytesMax = 0;
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
    this.#expectedPartitions = options.partitionCount;
    this.#base = epoch * offsetsPerEpoch;
    this.#recordBytesMax = options.recordBytesMax ?? 15 * mib;
    this.#pendingBytesMax = options.pendingBytesMax ?? 128 * mib;
    const readers = { cluster: deps.readers, timers, random };
    this.#ends = new KafkaOffsets({ ...readers, edge: 'end' });
    this.#starts = new KafkaOffsets({ ...readers, edge: 'start' });
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
   * Connects to the brokers, creates the topic if it is missing, and checks that it can continue this log.
   *
   * @throws LokiError `unavailable` when no broker answers in `startTimeoutMs`; `internal` for an unsuitable
   *   topic; `corrupt` for a topic that has lost records
   */
  static open(options: KafkaWriteLogOptions): Promise<KafkaWriteLog> {
    return KafkaWriteLog.openOn(realWorld(options), options);
  }

  /** Opens the log on given brokers. */
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

  get partitionCount(): number {
    return Math.max(this.#expectedPartitions, this.#deps.writers.partitionCount);
  }

  expectPartitions(count: number): void {
    this.#expectedPartitions = Math.max(count, this.#expectedPartitions);
  }

  async countPartitions(): Promise<number> {
    await this.#deps.writers.refresh();
    return this.partitionCount;
  }

  get recordBytesMax(): number {
    return this.#recordBytesMax - frameHeaderBytes;
  }

  /**
   * Appends a record. Rejects with LokiError `logNotAcked` when Kafka does not acknowledge it in time (it may
   * still be stored), `overloaded` when too much waits, `bodyTooLarge` for a record that the topic refuses.
   */
  async append(partition: number, record: LogRecord, waitedMs = 0): Promise<number> {
    const appender = this.#appender(this.#checked(partition));
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
    const acked = this.#appenders[this.#checked(partition)]?.ackedEnd ?? 0;
    return this.#base + Math.max(acked, await this.#ends.of(partition));
  }

  async startOffset(partition: number): Promise<number> {
    return this.#base + (await this.#starts.of(this.#checked(partition)));
  }

  /**
   * Kafka's retention deletes records. Only if configured, Kafka is asked to delete them, once a minute for
   * each partition.
   */
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

  /** Closes the log. Rejects appends in progress; Kafka may still store them. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reader.close();
    for (const appender of this.#appenders) appender?.close();
    this.#deps.writers.close();
    this.#deps.readers.close();
  }

  #checked(partition: number): number {
    if (!Number.isInteger(partition) || partition < 0 || partition >= this.partitionCount) {
      throw new RangeError(`partition ${partition} of ${this.partitionCount}`);
    }
    return partition;
  }

  /**
   * Repeats `action` until it succeeds or brokers are unavailable for too long; faults of the topic are
   * thrown at once.
   */
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
    const { clock, logger, topic } = this.#options;
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
    this.#batchBytesMax = batchMax;
    this.#producers = new KafkaProducers({ cluster: this.#deps.writers, clock, logger });
  }

  #appender(partition: number): KafkaAppender {
    const { clock, timers, random, logger, writeTimeoutMs = 10_000 } = this.#options;
    this.#appenders[partition] ??= new KafkaAppender(partition, {
      cluster: this.#deps.writers,
      producers: this.#producers!,
      clock,
      timers,
      random,
      logger,
      writeTimeoutMs,
      messageBytesMax: this.#batchBytesMax,
    });
    return this.#appenders[partition];
  }

  /**
   * Brokers accept smaller records than at the start: `max.message.bytes` was lowered, or could not be read.
   * The next attempt makes smaller records.
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
    logger?.error('kafka: a damaged record is skipped', { topic, ...damage, offset });
    onDamage?.({ ...damage, offset });
  }
}
