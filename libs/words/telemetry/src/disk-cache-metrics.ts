/** Metrics of the cache on local disk. */
import type { Metrics } from './metrics.ts';

/** Counts of lookups by result. `late`: the disk had not answered when the store would have. */
export interface DiskCacheLookups {
  hits: number;
  misses: number;
  late: number;
  damaged: number;
  hitBytes: number;
}

/** Told of all that a cache on local disk does. */
export interface DiskCacheObserver {
  lookedUp(lookups: DiskCacheLookups): void;
  wrote(bytes: number): void;
  /** A file made room for another. */
  evicted(bytes: number): void;
  storedBytes(bytes: number): void;
  turnedOff(): void;
}

/** Metrics of the cache on local disk; the gauge of its state is 1 until `turnedOff`. */
export function diskCacheMetrics(metrics: Metrics): DiskCacheObserver {
  const lookups = metrics.counter(
    'loki_disk_cache_lookups_total',
    'Lookups of footers and columns in the cache on local disk: hit, miss, late (read from the store, as the disk took longer), damaged.',
    ['result'],
  );
  const bytes = metrics.gauge('loki_disk_cache_bytes', 'Bytes in the cache on local disk.');
  const read = metrics.counter(
    'loki_disk_cache_read_bytes_total',
    'Bytes that the cache on local disk gave.',
  );
  const written = metrics.counter(
    'loki_disk_cache_written_bytes_total',
    'Bytes written to the cache on local disk.',
  );
  const evictions = metrics.counter(
    'loki_disk_cache_evicted_bytes_total',
    'Bytes that made room for others in the cache on local disk.',
  );
  const isOn = metrics.gauge(
    'loki_disk_cache_on',
    'Whether the cache on local disk takes part in reads; 0: its disk failed, and all reads go to the store.',
  );
  for (const result of ['hit', 'miss', 'late', 'damaged']) lookups.inc({ result }, 0);
  isOn.set(1);
  return {
    lookedUp({ hits, misses, late, damaged, hitBytes }) {
      lookups.inc({ result: 'hit' }, hits);
      lookups.inc({ result: 'miss' }, misses);
      lookups.inc({ result: 'late' }, late);
      lookups.inc({ result: 'damaged' }, damaged);
      read.inc(hitBytes);
    },
    wrote: (count) => written.inc(count),
    evicted: (count) => evictions.inc(count),
    storedBytes: (count) => bytes.set(count),
    turnedOff: () => isOn.set(0),
  };
}
