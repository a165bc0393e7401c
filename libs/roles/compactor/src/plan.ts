/** The merges of a day, planned by a pure function: step *plan* of a stored day. */
import type { CompactedSegment, SegmentRef } from '@loki/catalog';

/** A tenant's segments of one UTC day. */
export interface DayInventory {
  readonly tenant: string;
  /** Day in UTC, counted from 1970-01-01. */
  readonly day: number;
  /** Compacted segments in the day's order. */
  readonly compacted: readonly CompactedSegment[];
  /** Flushed sections with rows of the day that were not replaced in it, by partition and offset. */
  readonly flushed: readonly SegmentRef[];
}

export interface PlanOptions {
  /**
   * Younger flushed segments are not merged: readers may use an older offset, and would have to ignore the
   * merge.
   */
  readonly settleMs: number;
  /** Time after a day's end at which it is closed; later rows are late. */
  readonly closeDelayMs: number;
  /** Number of flushed segments of an open day from which a merge pays. */
  readonly fanIn: number;
  /** Bound on the stored bytes that a merge reads. */
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
  /** Level of the output. */
  readonly level: number;
}

const dayMs = 86_400_000;
/** Minimum level of a closed day's outputs; outputs of the open day are merged once more when it closes. */
const closedLevel = 2;

/** Whether the output is stored for as long as the tenant keeps its rows, unless many late rows come. */
export function isFinal({ level }: MergePlan): boolean {
  return level >= closedLevel;
}

/**
 * The next merge of a day; undefined: the day needs no merge.
 *
 * While a day is open, its flushed segments are merged by the dozen (level 1); once it is closed, small
 * segments are merged into one (level 2). So a row is written twice. Late rows join a larger segment only if
 * they are as many as its rows, so that each further merge at least doubles the size of the segment.
 *
 * @param isForced all flushed segments are merged now, even if they are few or young
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
 * For each partition the segments before the first that is too young: merging must keep the order of arrival.
 */
function settled(flushed: readonly SegmentRef[], createdBeforeMs: number): SegmentRef[] {
  const young = new Set<number>();
  return flushed.filter(({ partition, createdMs }) => {
    if (createdMs > createdBeforeMs) young.add(partition);
    return !young.has(partition);
  });
}

/** Stretches of adjacent segments that are worth a merge, oldest first. */
function mergeableRuns(
  compacted: readonly CompactedSegment[],
  flushed: readonly SegmentRef[],
  options: PlanOptions,
): { compacted: CompactedSegment[]; flushed: readonly SegmentRef[] }[] {
  const runs: { compacted: CompactedSegment[]; flushed: readonly SegmentRef[] }[] = [];
  let open: CompactedSegment[] = [];
  let lineBytes = flushed.reduce((sum, each) => sum + each.lineBytes, 0);
  let remaining = flushed;
  const close = () => {
    if (open.length + remaining.length > 1 || remaining.length > 0) {
      runs.unshift({ compacted: open, flushed: remaining });
    }
    open = [];
    remaining = [];
    lineBytes = 0;
  };
  for (const segment of compacted.toReversed()) {
    const isFull = segment.sizeBytes >= options.targetBytes / 2;
    const joins = !isFull && (segment.level < closedLevel || segment.lineBytes <= lineBytes);
    if (!joins) close();
    // A segment without a partner to its right may still be joined by its left neighbours.
    if (isFull) continue;
    open.unshift(segment);
    lineBytes += segment.lineBytes;
  }
  close();
  // If bounds exclude the first segment of a stretch, the next one becomes the first.
  return runs.flatMap((run) => {
    let { compacted: remaining } = run;
    while (remaining.length > 0 && boundedPrefix([...remaining, ...run.flushed], options).length < 2) {
      remaining = remaining.slice(1);
    }
    return remaining.length + run.flushed.length < 2 && run.flushed.length === 0
      ? []
      : [{ compacted: remaining, flushed: run.flushed }];
  });
}

/** As many segments as one merge may read, at least one. */
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

/** Upper bound of the bytes to read of a segment: a flushed one may hold mostly rows of other tenants. */
export function storedBytes({ sizeBytes, lineBytes, rowCount }: SegmentRef | CompactedSegment): number {
  return Math.min(sizeBytes, lineBytes + 256 * rowCount);
}
