/** Decides when a head is flushed, and how much of it: step *flush* of a written line, as a pure function. */
import type { HeadRecord } from './head/head-record.ts';

/** Why a flush happens, in the words of `loki_ingester_chunks_flushed_total`. */
type FlushReason = 'full' | 'max_age' | 'idle' | 'forced';

export interface FlushInput {
  /** Ascending by offset. */
  readonly records: readonly HeadRecord[];
  readonly lineBytes: number;
  readonly memoryBytes: number;
  /** All records below have been consumed. Later records may be incomplete. */
  readonly consumedOffset: number;
  readonly committedOffset: number;
  /** The heads of this process together have reached their bound. */
  readonly isPressed: boolean;
  /** Time of the last consumed record. */
  readonly lastConsumedAtMs: number;
  readonly nowMs: number;
}

interface FlushLimits {
  readonly flushRawBytes: number;
  readonly headBytesPartitionMax: number;
  readonly flushAgeMs: number;
  readonly flushIdleMs: number;
}

/**
 * Flushes the first `count` records: all records that were consumed at offsets committedOffset .. endOffset.
 */
export interface FlushPlan {
  readonly reason: FlushReason;
  readonly count: number;
  readonly startOffset: number;
  readonly endOffset: number;
}

/**
 * Share of the memory bound at which a head is flushed though it has few line bytes: with tiny lines or many
 * streams, compressed bytes and index fill the memory. Low enough that consumption need not stop meanwhile.
 */
const memoryShare = 0.5;

/**
 * Decides whether a head is to be flushed now, and how much of it: at most about one segment's worth, so that
 * merging is bounded; the remainder is planned again afterwards.
 *
 * @param forced flush in any case
 */
export function planFlush(input: FlushInput, limits: FlushLimits, forced = false): FlushPlan | undefined {
  if (input.consumedOffset <= input.committedOffset) return undefined;
  const consumed = consumedRecords(input);
  const reason = forced ? 'forced' : dueReason(input, consumed, limits);
  if (!reason) return undefined;
  const count = recordsOf(input.records, consumed.count, limits.flushRawBytes);
  const isAll = count === consumed.count;
  return {
    reason,
    count,
    startOffset: input.committedOffset,
    // Offsets above the last record were consumed too: repeated, quarantined and fully duplicate records.
    endOffset: isAll ? input.consumedOffset : input.records[count].offset,
  };
}

interface ConsumedRecords {
  readonly count: number;
  readonly lineBytes: number;
}

/** Records below the consumed offset: nearly always all of them. */
function consumedRecords({ records, lineBytes, consumedOffset }: FlushInput): ConsumedRecords {
  let count = records.length;
  let bytes = lineBytes;
  while (count > 0 && records[count - 1].offset >= consumedOffset) bytes -= records[--count].lineBytes;
  return { count, lineBytes: bytes };
}

function dueReason(
  input: FlushInput,
  consumed: ConsumedRecords,
  limits: FlushLimits,
): FlushReason | undefined {
  if (consumed.lineBytes >= limits.flushRawBytes) return 'full';
  if (consumed.count > 0) {
    if (input.memoryBytes >= limits.headBytesPartitionMax * memoryShare) return 'full';
    if (input.isPressed) return 'full';
  }
  const oldest = consumed.count > 0 ? input.records[0].consumedAtMs : input.lastConsumedAtMs;
  if (input.nowMs - oldest >= limits.flushAgeMs) return 'max_age';
  if (input.nowMs - input.lastConsumedAtMs >= limits.flushIdleMs) return 'idle';
  return undefined;
}

/**
 * Number of records with `lineBytes` in total, of the first `most`: at least one, and all parts of the last
 * one.
 */
function recordsOf(records: readonly HeadRecord[], most: number, lineBytes: number): number {
  let bytes = 0;
  let count = 0;
  while (count < most && bytes < lineBytes) bytes += records[count++].lineBytes;
  while (count > 0 && count < most && records[count].offset === records[count - 1].offset) count++;
  return count;
}
