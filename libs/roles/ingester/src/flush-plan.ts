import type { HeadRecord } from './head.ts';

/** Why a flush happens, in the words of `loki_ingester_chunks_flushed_total`. */
type FlushReason = 'full' | 'max_age' | 'idle' | 'forced';

export interface FlushInput {
  /** Ascending by offset. */
  readonly records: readonly HeadRecord[];
  readonly lineBytes: number;
  readonly memoryBytes: number;
  /** All records below have been consumed; at least one above the last record's offset. */
  readonly consumedOffset: number;
  readonly committedOffset: number;
  /** The heads of this process together have reached their bound. */
  readonly isPressed: boolean;
  /** When anything was consumed last. */
  readonly lastConsumedAtMs: number;
  readonly nowMs: number;
}

interface FlushLimits {
  readonly flushRawBytes: number;
  readonly headBytesPartitionMax: number;
  readonly flushAgeMs: number;
  readonly flushIdleMs: number;
}

/** The first `count` records, which are all that was consumed of offsets committedOffset .. endOffset. */
export interface FlushPlan {
  readonly reason: FlushReason;
  readonly count: number;
  readonly startOffset: number;
  readonly endOffset: number;
}

/**
 * Share of the memory bound at which a head is flushed though its lines are few: compressed bytes and index,
 * not lines, are what fills memory when lines are tiny or streams are many. Low enough that consumption need
 * not stop meanwhile.
 */
const memoryShare = 0.5;

/**
 * Decides whether a head is to be flushed now, and how much of it: at most about one segment's worth, so that
 * merging is bounded; what is left is planned again afterwards.
 *
 * @param forced flush whatever is there
 */
export function planFlush(input: FlushInput, limits: FlushLimits, forced = false): FlushPlan | undefined {
  if (input.consumedOffset <= input.committedOffset) return undefined;
  const reason = forced ? 'forced' : dueReason(input, limits);
  if (!reason) return undefined;
  const count = recordsOf(input.records, limits.flushRawBytes);
  const isAll = count === input.records.length;
  return {
    reason,
    count,
    startOffset: input.committedOffset,
    // Offsets above the last record were consumed too: repeats, quarantined records, records of duplicates
    // only.
    endOffset: isAll ? input.consumedOffset : input.records[count].offset,
  };
}

function dueReason(input: FlushInput, limits: FlushLimits): FlushReason | undefined {
  if (input.lineBytes >= limits.flushRawBytes) return 'full';
  if (input.memoryBytes >= limits.headBytesPartitionMax * memoryShare) return 'full';
  if (input.isPressed && input.records.length > 0) return 'full';
  const oldest = input.records.length > 0 ? input.records[0].consumedAtMs : input.lastConsumedAtMs;
  if (input.nowMs - oldest >= limits.flushAgeMs) return 'max_age';
  if (input.nowMs - input.lastConsumedAtMs >= limits.flushIdleMs) return 'idle';
  return undefined;
}

/** How many records from the first one hold `lineBytes`, at least one when there is any. */
function recordsOf(records: readonly HeadRecord[], lineBytes: number): number {
  let bytes = 0;
  let count = 0;
  while (count < records.length && bytes < lineBytes) bytes += records[count++].lineBytes;
  return count;
}
