/** The write log: embedded in files, or in a Kafka topic. */
export { EmbeddedWriteLog } from './embedded-write-log.ts';
export { readLogIdentity } from './log-identity.ts';
export { KafkaWriteLog } from './kafka-write-log.ts';
export type { KafkaTls } from './kafka-client.ts';
