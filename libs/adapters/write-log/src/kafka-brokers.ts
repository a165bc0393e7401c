/** The brokers of a log: connections for writing and reading, and the requests of the start. */
import type { KafkaDialOptions } from './kafka-client.ts';
import { KafkaCluster } from './kafka-cluster.ts';
import { withAdmin } from './kafka-connection.ts';
import { prepareTopic } from './kafka-topic.ts';
import type { KafkaDeps, KafkaWriteLogOptions } from './kafka-write-log-options.ts';

export function realWorld(options: KafkaWriteLogOptions): KafkaDeps {
  const { topic, partitionCount, writerBrokers, readerBrokers = [], clock, timers, random, logger } = options;
  const { clientId, sasl, tls, dialTimeoutMs = 2_000, replicationFactor, autoCreateTopic = true } = options;
  const { mayGrow = false } = options;
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
          mayGrow,
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
