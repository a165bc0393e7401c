/**
 * Start of a partition: appends records of this process's log again when another log has committed their
 * offsets.
 */
import { createHash } from 'node:crypto';
import type { CommitState } from '@loki/catalog';
import { LokiError } from '@loki/model';
import type { LoggedRecord } from '@loki/ports';
import type { PartitionDeps } from './deps.ts';
import { retryLogged } from './retry.ts';

/** Bytes of one read while searching for records. */
const readBytes = 4 << 20;

/**
 * Appends the log's records below the manifests' end again, unless the manifests contain them: a process with
 * another log has committed their offsets to the same store, and consumption begins above them. Costs one
 * small read in the usual case without such records.
 *
 * A record keeps its sequence, under a writer id derived from its own: after a crash readers recognise the
 * repeated records. Rows that were committed nevertheless are removed as duplicates.
 */
export async function rescueRecords(
  partition: number,
  committed: CommitState,
  deps: PartitionDeps,
  signal: AbortSignal,
): Promise<void> {
  const { writeLog, logger } = deps;
  const { endOffset } = committed;
  const sequences = new Map(committed.writers);
  const isKnown = ({ writerId, sequence }: LoggedRecord): boolean =>
    [writerId, rescuedWriter(writerId)].some((id) => sequence <= (sequences.get(id) ?? 0));
  const persist = <T>(action: string, attempt: () => Promise<T>) =>
    retryLogged(action, attempt, { ...deps, ...deps.options, signal });
  const readBelow = async (offset: number, bytesMax: number): Promise<LoggedRecord[]> => {
    const read = () => writeLog.read(partition, offset, { bytesMax, waitMs: 0, signal });
    const records = await persist('reading the write log', read);
    return records.filter((record) => record.offset < endOffset);
  };

  const startOffset = await persist('asking the write log for its start', () =>
    writeLog.startOffset(partition),
  );
  if (startOffset >= endOffset) return;
  // A writer's sequences rise with the offsets, and the table has the newest writer: the last record decides
  // for all.
  const [last] = await readBelow(endOffset - 1, 1);
  if (last && isKnown(last)) return;
  let count = 0;
  for (let offset = startOffset; ;) {
    const records = await readBelow(offset, readBytes);
    if (records.length === 0) break;
    offset = records[records.length - 1].offset + 1;
    for (const record of records) {
      if (isKnown(record)) continue;
      const { sequence, payload } = record;
      const copy = { writerId: rescuedWriter(record.writerId), sequence, payload };
      await persist('appending a record anew', () => writeLog.append(partition, copy));
      count++;
    }
  }
  if (count === 0) return;
  logger.error('another write log has committed offsets of this one; its records were appended again', {
    partition,
    records: count,
    committedOffset: endOffset,
  });
}

/** Two processes with embedded logs share a store: this one must end before it drops a record. */
export function foreignCommit(partition: number, endOffset: number): LokiError {
  return new LokiError(
    'internal',
    `partition ${partition}: another process with a write log of its own has committed offsets up to ${endOffset} to this object store`,
  );
}

function rescuedWriter(writerId: string): string {
  return createHash('sha256').update(`rescued ${writerId}`).digest('hex').slice(0, 32);
}
