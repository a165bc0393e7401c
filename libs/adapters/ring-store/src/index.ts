/** Stores of ring state: Redis, or the memory of a process. */
export { MemoryRingStore } from './memory-ring-store.ts';
export { openRedis } from './redis-client.ts';
export { RedisRingStore } from './redis-ring-store.ts';
