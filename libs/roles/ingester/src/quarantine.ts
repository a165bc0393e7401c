/** Stores an unreadable record separately, so that its partition can continue. */
import { LokiError } from '@loki/model';
import type { PartitionDeps } from './deps.ts';
import { retryLogged } from './retry.ts';

/** A record that cannot be consumed, with all known facts about it. */
interface BadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly writerId: string;
  readonly sequence: number;
  readonly payload: Uint8Array;
  readonly error: unknown;
}

/**
 * Stores a record as it is, so that its partition can continue and an operator can examine it later. Resolves
 * when it is durable: only then may its offset be passed. The key names its place; storing it again changes
 * nothing.
 */
export async function quarantine(record: BadRecord, deps: PartitionDeps, signal: AbortSignal): Promise<void> {
  const { partition, offset, writerId, sequence } = record;
  const key = `quarantine/${partition}/${offset}-${writerId}-${sequence}`;
  await retryLogged(
    'putting a record into quarantine',
    () => deps.objectStore.putIfAbsent(key, record.payload, signal),
    {
      ...deps,
      ...deps.options,
      signal,
    },
  );
  deps.metrics.recordQuarantined();
  deps.logger.error('a record of the write log cannot be read and was put into quarantine', {
    partition,
    offset,
    writerId,
    sequence,
    key,
    bytes: record.payload.length,
    err: record.error instanceof Error ? record.error.message : String(record.error),
  });
}

/** Whether the bytes are damaged, so that no other attempt can succeed. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof LokiError && error.code === 'corrupt';
}
