/** Stores, verifies and commits merged segments: step *commit* of a stored day. */
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
/** Segments put side by side. */
const putsMax = 8;

/**
 * Stores new segments, reads them back, and commits them in place of the old ones with the next manifest of
 * the compactors' log. The old ones stay for running readers.
 *
 * @returns the bytes stored for each; undefined: another compactor was faster, and nothing has changed there
 */
export async function replaceAll(
  deps: CompactorDeps,
  replacements: readonly Replacement[],
  signal?: AbortSignal,
): Promise<(number | undefined)[]> {
  const { objectStore, catalog, clock } = deps;
  const beganMs = clock.monotonicMs();
  const outputs = await store(deps, replacements, signal);
  const changes = replacements.map((replacement, i): DayChange => {
    const { tenant, day, compacted } = replacement;
    const flushed = replacement.flushed.map(({ key, partition, startOffset, endOffset }): FlushedInput => {
      return { key, partition, startOffset, endOffset };
    });
    return { tenant, day, flushed, compacted: compacted.map(({ key }) => key), outputs: outputs[i] };
  });
  const losers = new Set<DayChange>();
  const make = (number: number) => {
    const open = changes.filter((change) => !isDone(deps, change));
    losers.clear();
    for (const change of open) if (catalog.compacted.problemOf(change) !== undefined) losers.add(change);
    const fitting = open.filter((change) => !losers.has(change));
    if (fitting.length === 0) return undefined;
    if (clock.monotonicMs() - beganMs > deps.options.commitWithinMs) {
      const { tenant, day } = fitting[0];
      throw new LokiError('timeout', `compacting ${tenant}, day ${day} took too long`);
    }
    return { number, createdMs: clock.nowMs(), changes: fitting, erased: [] };
  };
  await appendSurely(deps, make, signal);
  await deps.simHook?.('compact.afterCommit');
  // Certainly not committed: the faster compactor has replaced these inputs for good.
  for (const { outputs: unused } of losers) for (const { key } of unused) await objectStore.delete(key);
  return changes.map((change, i) => (losers.has(change) ? undefined : (replacements[i].bytes?.length ?? 0)));
}

/** Puts all segments, then verifies them in one task. Without a commit no catalog names them. */
async function store(
  deps: CompactorDeps,
  replacements: readonly Replacement[],
  signal: AbortSignal | undefined,
): Promise<CompactedSegment[][]> {
  const { objectStore, clock, workers } = deps;
  const puts = replacements.flatMap((replacement, at) =>
    replacement.bytes
      ? [{ at, bytes: replacement.bytes, key: keyOf(deps, replacement.tenant, replacement.day) }]
      : [],
  );
  const outputs = replacements.map((): CompactedSegment[] => []);
  if (puts.length === 0) return outputs;
  let next = 0;
  const put = async (): Promise<void> => {
    while (next < puts.length) {
      const { key, bytes } = puts[next++];
      await objectStore.put(key, bytes, signal);
      await deps.simHook?.('compact.afterPut');
    }
  };
  await Promise.all(Array.from({ length: Math.min(putsMax, puts.length) }, put));
  const inputs = puts.map(({ at, key }) => ({
    key,
    tenant: replacements[at].tenant,
    rowCount: replacements[at].rowCount,
  }));
  try {
    const verified = await workers.run(verifyTask, inputs, { signal });
    for (const [i, { at, key }] of puts.entries()) {
      const { level } = replacements[at];
      const sources = sourcesOf(replacements[at]);
      outputs[at].push({ key, level, createdMs: clock.nowMs(), sources, ...verified[i] });
    }
  } catch (error) {
    if (error instanceof LokiError && error.code === 'corrupt') {
      // No catalog names them: the sweep removes those that stay.
      for (const { key } of puts) await objectStore.delete(key).catch(() => undefined);
    }
    throw error;
  }
  await deps.simHook?.('compact.afterVerify');
  return outputs;
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
  const dayState = state.day(tenant, day);
  const isGone = compacted.every((key) => !dayState?.outputs.some((each) => each.key === key));
  return isGone && flushed.every(({ key }) => dayState?.isReplaced(key));
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
