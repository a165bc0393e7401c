export { MemoryResultsCache } from './memory-results-cache.ts';
export type { CacheEvents, MemoryResultsCacheOptions } from './memory-results-cache.ts';
export { RedisResultsCache } from './redis-results-cache.ts';
export type { RedisCommands, RedisResultsCacheOptions } from './redis-results-cache.ts';
