/** Counts and explains faults of the virtual object store. */
import { LokiError } from '@loki/model';
import { verifySegment } from '@loki/segment';
import type { VirtualBucket } from '@loki/virtual';
import type { Violation } from './ledger.ts';

/** The faults of a store: segments that are read but missing or damaged, and objects that were put twice. */
export function storeFaults(bucket: VirtualBucket, keys: Iterable<string>): Violation[] {
  const faults: Violation[] = [];
  for (const key of new Set(keys)) {
    const bytes = bucket.objects.get(key);
    try {
      if (!bytes) throw new LokiError('notFound', 'there is no such object');
      verifySegment(bytes, key);
    } catch (error) {
      faults.push({ kind: 'store', text: `store: ${key}: ${String(error)}` });
    }
  }
  for (const key of bucket.overwritten) faults.push({ kind: 'store', text: `store: ${key} was put twice` });
  return faults;
}
