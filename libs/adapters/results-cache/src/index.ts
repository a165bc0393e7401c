export { MemcachedResultsCache } from './memcached-results-cache.ts';
export type { MemcachedTls } from './memcached-connection.ts';
export { MemoryResultsCache } from './memory-results-cache.ts';
export { RedisResultsCache } from './redis-results-cache.ts';
