export { EmbeddedWriteLog } from './embedded-write-log.ts';
export { readLogIdentity } from './log-identity.ts';
export { KafkaWriteLog } from './kafka-write-log.ts';
export type { KafkaTls } from './kafka-connection.ts';
