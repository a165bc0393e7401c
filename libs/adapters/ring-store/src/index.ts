export { MemoryRingStore } from './memory-ring-store.ts';
export { openRedis } from './redis-client.ts';
export { RedisRingStore } from './redis-ring-store.ts';
