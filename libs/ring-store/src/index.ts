export { MemoryRingStore } from './memory-ring-store.ts';
export { RedisRingStore } from './redis-ring-store.ts';
export type { RedisRingStoreOptions } from './redis-ring-store.ts';
