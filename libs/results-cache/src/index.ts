export { MemcachedResultsCache } from './memcached-results-cache.ts';
export type { MemcachedResultsCacheOptions } from './memcached-results-cache.ts';
export type { MemcachedTls } from './memcached-connection.ts';
export { MemoryResultsCache } from './memory-results-cache.ts';
export type { CacheEvents, MemoryResultsCacheOptions } from './memory-results-cache.ts';
export { RedisResultsCache } from './redis-results-cache.ts';
export type { RedisCommands, RedisResultsCacheOptions } from './redis-results-cache.ts';
