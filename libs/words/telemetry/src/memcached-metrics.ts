/** Metrics of requests to memcached: step *recall* of a query. */
import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** Returns a function that counts requests to memcached for one named cache, under Loki's name. */
export function memcachedMetrics(
  metrics: Metrics,
  name: string,
): (request: { readonly method: 'get' | 'set'; readonly seconds: number; readonly isOk: boolean }) => void {
  const duration = metrics.histogram(
    'loki_memcache_request_duration_seconds',
    'Time of requests to memcached.',
    exponentialBuckets(0.000016, 4, 8),
    ['method', 'name', 'status_code'],
  );
  return ({ method, seconds, isOk }) =>
    duration.observe(
      {
        method: method === 'get' ? 'Memcache.GetMulti' : 'Memcache.Put',
        name,
        status_code: isOk ? '200' : '500',
      },
      seconds,
    );
}
