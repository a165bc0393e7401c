/** Options of the write log in a Kafka topic, and the services that it uses. */
import type { Clock, Logger, Random, Timers } from '@loki/ports';
import type { KafkaSasl, KafkaTls } from './kafka-client.ts';
import type { KafkaBrokers } from './kafka-cluster.ts';
import type { KafkaTopicFacts } from './kafka-topic.ts';

/** A damaged record of the topic. */
export interface KafkaLogDamage {
  readonly partition: number;
  readonly offset: number;
  readonly fault: string;
}

export interface KafkaWriteLogOptions {
  readonly topic: string;
  /** The topic has at least this number of partitions. */
  readonly partitionCount: number;
  /**
   * Whether the topic may have more partitions than `partitionCount`, and is given more where it has fewer.
   * False: streams are placed by this number, so another one is refused. Default: false.
   */
  readonly mayGrow?: boolean;
  /** `host:port` of some brokers. */
  readonly writerBrokers: readonly string[];
  /** Brokers for reading, if they are others. */
  readonly readerBrokers?: readonly string[];
  readonly clientId: string;
  readonly sasl?: KafkaSasl;
  readonly tls?: KafkaTls;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
  /** Called for each skipped record. */
  readonly onDamage?: (damage: KafkaLogDamage) => void;
  /** Whether to create a missing topic. Default: true. */
  readonly autoCreateTopic?: boolean;
  /** Replication factor of a created topic. Default: the brokers' default. */
  readonly replicationFactor?: number;
  /**
   * Number of topics that this log used before. Offsets of an epoch are above all of the previous one. Raise
   * it when the topic was created again: offsets that start at 0 would look like records that are flushed
   * already.
   */
  readonly epoch?: number;
  /**
   * Per partition: an offset below which records have existed (the catalog's end). A topic that ends below it
   * is refused.
   */
  readonly atLeast?: readonly number[];
  /** Largest record with payload and frame; larger ones are refused. Default 15 MiB. */
  readonly recordBytesMax?: number;
  /**
   * Most bytes that wait for acknowledgement, over all partitions; further records are refused. Default 128
   * MiB.
   */
  readonly pendingBytesMax?: number;
  /** Most bytes that are read ahead for a consumer of one partition. Default 4 MiB. */
  readonly partitionBufferBytesMax?: number;
  /** Most bytes that are read ahead for all consumers. Default 128 MiB. */
  readonly bufferBytesMax?: number;
  /** Timeout of a connection to a broker. Default 2 s. */
  readonly dialTimeoutMs?: number;
  /** Deadline of one append with all its attempts. Default 10 s. */
  readonly writeTimeoutMs?: number;
  /** Longest wait for brokers at the start. Default 60 s. */
  readonly startTimeoutMs?: number;
  /** Whether Kafka is asked to delete flushed records, instead of its retention. Default: false. */
  readonly deletesRecords?: boolean;
}

/** The connection between the log and its brokers. */
export interface KafkaDeps {
  readonly writers: KafkaBrokers;
  readonly readers: KafkaBrokers;
  /** Creates the topic if it is missing, and checks it. */
  prepareTopic(messageBytesMax: number): Promise<KafkaTopicFacts>;
  /** Asks Kafka to delete records below an offset. */
  deleteRecords(partition: number, offset: number): Promise<void>;
}
