/** The plan of a day, as a pure function: step *plan* of a stored day. */
import type { CompactedSegment, SegmentRef } from '@loki/catalog';

/** A tenant's segments of one UTC day. */
export interface DayInventory {
  readonly tenant: string;
  /** Counted from 1970-01-01. */
  readonly day: number;
  /** In the day's order. */
  readonly compacted: readonly CompactedSegment[];
  /** Flushed sections that reach into the day and were not replaced in it, by partition and offset. */
  readonly flushed: readonly SegmentRef[];
}

export interface PlanOptions {
  /**
   * Younger flushed segments are left alone: readers may have been told the offset before them, and would
   * have to undo the merge.
   */
  readonly settleMs: number;
  /** A day is closed so long after its end: what comes later is late. */
  readonly closeDelayMs: number;
  /** Flushed segments of an open day that are worth a merge. */
  readonly fanIn: number;
  /** Stored bytes that a merge may read. */
  readonly inputBytesMax: number;
  readonly inputsMax: number;
  /** Segments of half this size are not merged again. */
  readonly targetBytes: number;
}

/** Segments to merge into one. */
export interface MergePlan {
  readonly tenant: string;
  readonly day: number;
  readonly compacted: readonly CompactedSegment[];
  readonly flushed: readonly SegmentRef[];
  /** Of the output. */
  readonly level: number;
}

const dayMs = 86_400_000;
/**
 * Outputs of a closed day have at least this level; those of the open day are merged once more when it
 * closes.
 */
const closedLevel = 2;

/**
 * The next merge of a day, or undefined when it is well as it is.
 *
 * While a day is open its flushed segments are merged by the dozen (level 1); once it is closed, what is
 * small is merged into one (level 2). So a row is written twice; late rows join a larger segment only when
 * they are as many as it holds, so that each further writing at least doubles what a row lies in.
 *
 * @param isForced all flushed segments are merged now, however few and young they are
 */
export function planDay(
  inventory: DayInventory,
  nowMs: number,
  options: PlanOptions,
  isForced = false,
): MergePlan | undefined {
  const { tenant, day, compacted } = inventory;
  const isClosed = nowMs >= (day + 1) * dayMs + options.closeDelayMs;
  const flushed = isForced ? inventory.flushed : settled(inventory.flushed, nowMs - options.settleMs);
  if (!isClosed || isForced) {
    if (flushed.length < (isForced ? 1 : options.fanIn)) return undefined;
    const group = boundedPrefix(flushed, options);
    return { tenant, day, compacted: [], flushed: group, level: isClosed ? closedLevel : 1 };
  }
  for (const run of mergeableRuns(compacted, flushed, options)) {
    const group = boundedPrefix([...run.compacted, ...run.flushed], options);
    const old = run.compacted.slice(0, group.length);
    const level = Math.max(closedLevel, ...old.map((each) => each.level));
    return { tenant, day, compacted: old, flushed: run.flushed.slice(0, group.length - old.length), level };
  }
  return undefined;
}

/**
 * Of each partition those that come before any that is too young: merging must not change the order of
 * arrival.
 */
function settled(flushed: readonly SegmentRef[], createdBeforeMs: number): SegmentRef[] {
  const young = new Set<number>();
  return flushed.filter(({ partition, createdMs }) => {
    if (createdMs > createdBeforeMs) young.add(partition);
    return !young.has(partition);
  });
}

/** Stretches of neighbours worth merging, oldest first. */
function mergeableRuns(
  compacted: readonly CompactedSegment[],
  flushed: readonly SegmentRef[],
  options: PlanOptions,
): { compacted: CompactedSegment[]; flushed: readonly SegmentRef[] }[] {
  const runs: { compacted: CompactedSegment[]; flushed: readonly SegmentRef[] }[] = [];
  let open: CompactedSegment[] = [];
  let lineBytes = flushed.reduce((sum, each) => sum + each.lineBytes, 0);
  let rest = flushed;
  const close = () => {
    if (open.length + rest.length > 1 || rest.length > 0) runs.unshift({ compacted: open, flushed: rest });
    open = [];
    rest = [];
    lineBytes = 0;
  };
  for (const segment of compacted.toReversed()) {
    const isFull = segment.sizeBytes >= options.targetBytes / 2;
    const joins = !isFull && (segment.level < closedLevel || segment.lineBytes <= lineBytes);
    if (!joins) close();
    // A segment that joins nothing to its right may still be what its left neighbours join.
    if (isFull) continue;
    open.unshift(segment);
    lineBytes += segment.lineBytes;
  }
  close();
  // Bounds may leave the first of a stretch alone: then it is the next one's turn to be first.
  return runs.flatMap((run) => {
    let { compacted: left } = run;
    while (left.length > 0 && boundedPrefix([...left, ...run.flushed], options).length < 2) {
      left = left.slice(1);
    }
    return left.length + run.flushed.length < 2 && run.flushed.length === 0
      ? []
      : [{ compacted: left, flushed: run.flushed }];
  });
}

/** As many as one merge may read, at least one. */
function boundedPrefix<T extends SegmentRef | CompactedSegment>(
  items: readonly T[],
  options: PlanOptions,
): T[] {
  let bytes = 0;
  let count = 0;
  while (count < items.length && count < options.inputsMax) {
    bytes += storedBytes(items[count]);
    if (count > 0 && bytes > options.inputBytesMax) break;
    count++;
  }
  return items.slice(0, count);
}

/** Bytes to read of a segment, at most: a flushed one may hold more of other tenants than of this. */
export function storedBytes({ sizeBytes, lineBytes, rowCount }: SegmentRef | CompactedSegment): number {
  return Math.min(sizeBytes, lineBytes + 256 * rowCount);
}
