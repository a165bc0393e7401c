/** Creates and checks the topic of a write log. */
import type { Admin, ConfigResourceTypes } from 'kafkajs';
import { LokiError } from '@loki/model';
import type { Logger } from '@loki/ports';

interface KafkaTopicOptions {
  readonly topic: string;
  readonly partitionCount: number;
  /** Whether the topic may have another number: more are fine, and missing ones are added. */
  readonly mayGrow: boolean;
  /** Whether to create a missing topic, or missing partitions. */
  readonly autoCreate: boolean;
  /** Replication factor of a created topic; absent: the brokers' default. */
  readonly replicationFactor?: number;
  /** Bytes of the largest framed record, which a created topic allows. */
  readonly messageBytesMax: number;
  readonly logger?: Logger;
}

/** The readable part of the topic's configuration. */
export interface KafkaTopicFacts {
  /** undefined: it may not be read. */
  readonly messageBytesMax: number | undefined;
}

/** Kafka's number of the resource type; the client's constant would load the client. */
const topicResource = 2 satisfies ConfigResourceTypes.TOPIC;
const hourMs = 3_600_000;
/**
 * Shortest retention: records must survive until they are flushed, also when the object store is unavailable
 * for some hours.
 */
const retentionMsMin = 6 * hourMs;

/**
 * Creates the topic if it is missing, and checks for settings that would lose or refuse records.
 *
 * @throws LokiError `internal` when the topic cannot serve as this log: missing, too small, of another size
 *   before its size is known, or compacted
 */
export async function prepareTopic(admin: Admin, options: KafkaTopicOptions): Promise<KafkaTopicFacts> {
  const { topic, partitionCount, logger } = options;
  if (!(await admin.listTopics()).includes(topic)) await createTopic(admin, options);
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  const { partitions } = topics[0];
  if (options.mayGrow) {
    if (partitions.length < partitionCount) await addPartitions(admin, options, partitions.length);
  } else if (partitions.length !== partitionCount) {
    throw new LokiError(
      'internal',
      `kafka topic ${topic} has ${partitions.length} partitions, but write_log.partitions is ${partitionCount}: streams are placed by this number, so make them equal or use another topic`,
    );
  }
  const replicas = Math.min(...partitions.map((each) => each.replicas.length));
  const values = await topicConfig(admin, topic).catch((error: unknown) => {
    logger?.warn('kafka: the topic’s configuration could not be read and is not checked', {
      topic,
      err: error instanceof Error ? error.message : String(error),
    });
    return undefined;
  });
  if (!values) return { messageBytesMax: undefined };
  if (values.get('cleanup.policy')?.includes('compact')) {
    throw new LokiError('internal', `kafka topic ${topic} is compacted: set its cleanup.policy to delete`);
  }
  for (const text of topicDoubts(values, replicas)) logger?.warn(`kafka: ${text}`, { topic });
  const messageBytesMax = Number(values.get('max.message.bytes'));
  return { messageBytesMax: messageBytesMax > 0 ? messageBytesMax : undefined };
}

/** Warnings about allowed but risky settings, as sentences for the log. */
export function topicDoubts(values: ReadonlyMap<string, string>, replicas: number): string[] {
  const doubts: string[] = [];
  const inSyncMin = Number(values.get('min.insync.replicas') ?? 1);
  const retentionMs = Number(values.get('retention.ms') ?? -1);
  const retentionBytes = Number(values.get('retention.bytes') ?? -1);
  if (replicas < 2) {
    doubts.push('the topic has one replica: unflushed lines are lost with its broker’s disk');
  } else if (inSyncMin < 2) {
    doubts.push(
      'min.insync.replicas is 1: with followers behind, a record is acknowledged by one broker alone; set it to 2',
    );
  } else if (inSyncMin >= replicas) {
    doubts.push(
      `min.insync.replicas is ${inSyncMin} of ${replicas} replicas: the loss of one broker stops all appends`,
    );
  }
  if (retentionMs >= 0 && retentionMs < retentionMsMin) {
    doubts.push(
      `retention.ms is ${retentionMs}: records that are not flushed within ${(retentionMs / hourMs).toFixed(1)} hours are lost`,
    );
  }
  if (retentionBytes >= 0) {
    doubts.push(
      `retention.bytes is ${retentionBytes}: a partition that grows faster than it is flushed loses records`,
    );
  }
  if (values.get('unclean.leader.election.enable') === 'true') {
    doubts.push(
      'unclean.leader.election.enable is on: a broker that missed records may lead, and they are lost',
    );
  }
  return doubts;
}

async function createTopic(admin: Admin, options: KafkaTopicOptions): Promise<void> {
  const { topic, partitionCount, autoCreate, replicationFactor, messageBytesMax, logger } = options;
  if (!autoCreate) {
    throw new LokiError(
      'internal',
      `kafka topic ${topic} does not exist, and kafka_config.auto_create_topic_enabled is false: make it with ${partitionCount} partitions`,
    );
  }
  const configEntries = [
    { name: 'max.message.bytes', value: String(messageBytesMax) },
    { name: 'cleanup.policy', value: 'delete' },
  ];
  // False: another process created it first, which is fine.
  const isCreated = await admin.createTopics({
    waitForLeaders: true,
    timeout: 30_000,
    topics: [
      { topic, numPartitions: partitionCount, replicationFactor: replicationFactor ?? -1, configEntries },
    ],
  });
  if (isCreated) logger?.info('kafka: made the topic', { topic, partitions: partitionCount });
}

async function addPartitions(admin: Admin, options: KafkaTopicOptions, present: number): Promise<void> {
  const { topic, partitionCount: count, autoCreate, logger } = options;
  if (!autoCreate) {
    throw new LokiError(
      'internal',
      `kafka topic ${topic} has ${present} partitions, fewer than ${count}, and kafka_config.auto_create_topic_enabled is false: add them`,
    );
  }
  try {
    await admin.createPartitions({ timeout: 30_000, topicPartitions: [{ topic, count }] });
    logger?.info('kafka: added partitions to the topic', { topic, before: present, partitions: count });
  } catch (error) {
    // Another process was first.
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    if (topics[0].partitions.length < count) throw error;
  }
}

async function topicConfig(admin: Admin, topic: string): Promise<Map<string, string>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: topicResource, name: topic }],
  });
  return new Map(resources[0].configEntries.map(({ configName, configValue }) => [configName, configValue]));
}
