export { EmbeddedWriteLog } from './embedded-write-log.ts';
export type { EmbeddedWriteLogOptions, LogDamage } from './embedded-write-log.ts';
