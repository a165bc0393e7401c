/** Results caches: in memory, in Redis, in memcached. Step *recall* of a query. */
export { MemcachedResultsCache } from './memcached-results-cache.ts';
export type { MemcachedTls } from './memcached-connection.ts';
export { MemoryResultsCache } from './memory-results-cache.ts';
export { RedisResultsCache } from './redis-results-cache.ts';
