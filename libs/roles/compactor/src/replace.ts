/** Stores, verifies and commits a merged segment: step *commit* of a stored day. */
import type { CompactedSegment, DayChange, FlushedInput, RecordRange, SegmentRef } from '@loki/catalog';
import { LokiError } from '@loki/model';
import { dayText } from './day-text.ts';
import type { CompactorDeps } from './deps.ts';
import { verifyTask } from './verify-task.ts';

/** New content for some segments of a day. */
interface Replacement {
  readonly tenant: string;
  readonly day: number;
  readonly compacted: readonly CompactedSegment[];
  readonly flushed: readonly SegmentRef[];
  /** Absent: no row remains. */
  readonly bytes?: Uint8Array;
  readonly rowCount: number;
  readonly level: number;
}

const commitAttemptsMax = 5;

/**
 * Stores the new segment, reads it back, and commits it in place of the old ones with the next manifest of
 * the compactors' log. The old ones stay for running readers.
 *
 * @returns the bytes stored; undefined: another compactor was faster, and nothing has changed
 */
export async function replace(
  deps: CompactorDeps,
  replacement: Replacement,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const { objectStore, catalog, clock } = deps;
  const { tenant, day, compacted, bytes } = replacement;
  const beganMs = clock.monotonicMs();
  const outputs: CompactedSegment[] = [];
  if (bytes) {
    const key = keyOf(deps, tenant, day);
    await objectStore.put(key, bytes, signal);
    await deps.simHook?.('compact.afterPut');
    outputs.push(await describe(deps, replacement, key, signal));
    await deps.simHook?.('compact.afterVerify');
  }
  const flushed: FlushedInput[] = replacement.flushed.map(({ key, partition, startOffset, endOffset }) => {
    return { key, partition, startOffset, endOffset };
  });
  const change: DayChange = { tenant, day, flushed, compacted: compacted.map(({ key }) => key), outputs };
  let isLost = false;
  const make = (number: number) => {
    if (isDone(deps, change)) return undefined;
    isLost = catalog.compacted.problemOf(change) !== undefined;
    if (isLost) return undefined;
    if (clock.monotonicMs() - beganMs > deps.options.commitWithinMs) {
      throw new LokiError('timeout', `compacting ${tenant}, day ${day} took too long`);
    }
    return { number, createdMs: clock.nowMs(), changes: [change], erased: [] };
  };
  await appendSurely(deps, make, signal);
  await deps.simHook?.('compact.afterCommit');
  if (!isLost) return bytes?.length ?? 0;
  // Certainly not committed: the faster compactor has replaced our inputs for good.
  for (const { key } of outputs) await objectStore.delete(key);
  return undefined;
}

/** After a lost answer the append is repeated: it then recognises its own manifest. */
async function appendSurely(
  { catalog, logger, timers }: CompactorDeps,
  make: Parameters<CompactorDeps['catalog']['compactions']['append']>[0],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await catalog.compactions.append(make, signal);
      return;
    } catch (error) {
      if (attempt >= commitAttemptsMax || (error instanceof LokiError && error.code === 'timeout')) {
        throw error;
      }
      logger.warn('a compaction could not be committed, trying again', { err: String(error) });
      await timers.sleep(100 * 2 ** attempt, signal);
    }
  }
}

/**
 * True if our own earlier attempt succeeded: its inputs are replaced, and its output exists or was merged
 * further.
 */
function isDone(
  { catalog }: CompactorDeps,
  { tenant, day, flushed, compacted, outputs }: DayChange,
): boolean {
  const state = catalog.compacted;
  if (outputs.length > 0) {
    const { key } = outputs[0];
    return state.dead.has(key) || (state.day(tenant, day)?.outputs.some((each) => each.key === key) ?? false);
  }
  const here = state.day(tenant, day);
  const isGone = compacted.every((key) => !here?.outputs.some((each) => each.key === key));
  return isGone && flushed.every(({ key }) => here?.isReplaced(key));
}

async function describe(
  deps: CompactorDeps,
  replacement: Replacement,
  key: string,
  signal: AbortSignal | undefined,
): Promise<CompactedSegment> {
  const { tenant, rowCount, level } = replacement;
  const input = { key, tenant, rowCount };
  try {
    const verified = await deps.workers.run(verifyTask, input, { signal });
    return { key, level, createdMs: deps.clock.nowMs(), sources: sourcesOf(replacement), ...verified };
  } catch (error) {
    if (error instanceof LokiError && error.code === 'corrupt') {
      await deps.objectStore.delete(key).catch(() => undefined); // no catalog names it: the sweep removes it
    }
    throw error;
  }
}

/** Source records by partition, from first to last. */
function sourcesOf({ compacted, flushed }: Replacement): RecordRange[] {
  const ranges = new Map<number, RecordRange>();
  for (const { partition, startOffset, endOffset } of [
    ...compacted.flatMap(({ sources }) => sources),
    ...flushed,
  ]) {
    const range = ranges.get(partition);
    ranges.set(partition, {
      partition,
      startOffset: Math.min(startOffset, range?.startOffset ?? startOffset),
      endOffset: Math.max(endOffset, range?.endOffset ?? endOffset),
    });
  }
  return [...ranges.values()].sort((a, b) => a.partition - b.partition);
}

function keyOf({ random }: CompactorDeps, tenant: string, day: number): string {
  const suffix = Buffer.from(random.bytes(8)).toString('hex');
  return `compacted/${tenant}/${dayText(day)}/${suffix}`;
}
