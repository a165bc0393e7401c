/** Start of a partition: the manifests' end, where consumption begins. */
import type { CommitState } from '@loki/catalog';
import type { PartitionDeps } from './deps.ts';
import { foreignCommit, rescueRecords } from './rescue.ts';
import { retryLogged } from './retry.ts';

/**
 * Reads the manifests: no other state needs recovery. Records that the log has lost are reported. Repeats
 * failed reads until it succeeds.
 *
 * @throws the signal's reason; LokiError when another log has committed offsets of this one
 */
export async function recoverCommits(
  partition: number,
  deps: PartitionDeps,
  signal: AbortSignal,
): Promise<CommitState> {
  const { writeLog, onForeignCommit, metrics, logger } = deps;
  const persist = <T>(action: string, attempt: () => Promise<T>) =>
    retryLogged(action, attempt, { ...deps, ...deps.options, signal });
  // Reads the log's start first, then the manifests: another owner may commit and truncate in between, and
  // commits come before truncation.
  const oldest = await persist('asking the write log for its start', () => writeLog.startOffset(partition));
  const committed = await persist('reading the manifests', () => deps.commits(partition).load(signal));
  // For a log with one writer process the consumer reports each gap, this one too.
  if (oldest > committed.endOffset && !onForeignCommit) {
    metrics.recordsLost(oldest - committed.endOffset);
    logger.error('the write log has lost records that were not committed yet', {
      partition,
      fromOffset: committed.endOffset,
      toOffset: oldest,
    });
  }
  if (onForeignCommit) {
    const endOffset = await persist('asking the write log for its end', () => writeLog.endOffset(partition));
    checkEnd(partition, { logEnd: endOffset, committed }, onForeignCommit);
    await rescueRecords(partition, committed, deps, signal);
  }
  return committed;
}

/**
 * For a log with one writer process: its end must not be below the manifests, or the next records would get
 * offsets that count as committed. The log is opened above the manifests' end, so another log has moved that
 * end since.
 */
function checkEnd(
  partition: number,
  { logEnd, committed }: { readonly logEnd: number; readonly committed: CommitState },
  onForeignCommit: NonNullable<PartitionDeps['onForeignCommit']>,
): void {
  if (logEnd >= committed.endOffset) return;
  const error = foreignCommit(partition, committed.endOffset);
  onForeignCommit(error);
  throw error;
}
