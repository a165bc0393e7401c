export { EmbeddedWriteLog } from './embedded-write-log.ts';
export type { EmbeddedWriteLogOptions, LogDamage } from './embedded-write-log.ts';
export { KafkaWriteLog } from './kafka-write-log.ts';
export type { KafkaLogDamage, KafkaWriteLogOptions } from './kafka-write-log.ts';
export type { KafkaSasl, KafkaTls } from './kafka-connection.ts';
