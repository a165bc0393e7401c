export { MemoryRingStore } from './memory-ring-store.ts';
export { openRedis } from './redis-client.ts';
export type { RedisClient, RedisEndpointOptions } from './redis-client.ts';
export { RedisRingStore } from './redis-ring-store.ts';
export type { RedisRingStoreOptions } from './redis-ring-store.ts';
