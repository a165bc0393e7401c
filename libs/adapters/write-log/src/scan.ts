/** Scans the newest file of a partition after a crash: torn tail or damage. */
import { claimedOffset, fileHeaderBytes, parseRecord, recordHeaderBytes } from './format.ts';

/**
 * Records [fromOffset, toOffset) of a file cannot be read: the bytes [position, nextPosition) are damaged.
 */
export interface DamagedRange {
  readonly position: number;
  readonly nextPosition: number;
  readonly fromOffset: number;
  readonly toOffset: number;
}

export interface ScanResult {
  /** Offset after the last complete record. */
  readonly endOffset: number;
  /** End of the last complete record; bytes after it are a torn tail. */
  readonly endPosition: number;
  readonly damage: readonly DamagedRange[];
  /**
   * Start of the newest commit, or of its readable part. Bytes before it are certainly durable; the
   * commit itself may be in the system's cache only. No damage lies behind this place.
   */
  readonly lastCommit: { readonly offset: number; readonly position: number };
}

/**
 * Finds the records that survived in the newest file of a partition.
 *
 * An unreadable record is a torn tail, unless a later record proves that it was durable (its `durableOffset`
 * is higher): then it is damage, and later records are kept.
 *
 * @param bytes the whole file with its header
 */
export function scanNewestFile(bytes: Buffer, firstOffset: number, salt: number): ScanResult {
  const damage: DamagedRange[] = [];
  let position = fileHeaderBytes;
  let offset = firstOffset;
  let lastCommit = { offset, position };
  for (;;) {
    const record = parseRecord(bytes, position, salt);
    if (record && record.offset === offset) {
      if (record.durableOffset === offset) lastCommit = { offset, position };
      position += record.framedBytes;
      offset++;
      continue;
    }
    const next = provenNext(bytes, position, offset, salt);
    if (!next) return { endOffset: offset, endPosition: position, damage, lastCommit };
    damage.push({ position, nextPosition: next.position, fromOffset: offset, toOffset: next.offset });
    position = next.position;
    offset = next.offset;
    // All before the damage was durable; the first record of the newest commit may be among the damaged ones.
    lastCommit = { offset, position };
  }
}

/** The first complete record after a bad one, if a later record proves that the bad one was durable. */
function provenNext(
  bytes: Buffer,
  position: number,
  offset: number,
  salt: number,
): { position: number; offset: number } | undefined {
  let first: { position: number; offset: number } | undefined;
  let at = position + 1;
  for (;;) {
    const next = findRecord(bytes, at, { offsetFloor: offset, salt });
    if (!next) return undefined;
    first ??= { position: next.position, offset: next.offset };
    if (next.durableOffset > offset) return first;
    at = next.nextPosition;
  }
}

/**
 * The first complete record at or after `from` with an offset above `offsetFloor`.
 *
 * O(bytes): most positions are ruled out by the offset they claim; only few need their checksum computed.
 */
export function findRecord(
  bytes: Buffer,
  from: number,
  options: { offsetFloor: number; salt: number },
): { position: number; nextPosition: number; offset: number; durableOffset: number } | undefined {
  const { offsetFloor, salt } = options;
  const last = bytes.length - recordHeaderBytes;
  // Each record has at least a header, which bounds the offsets of this file.
  const highest = offsetFloor + Math.ceil(bytes.length / recordHeaderBytes);
  for (let at = from; at <= last; at++) {
    const claimed = claimedOffset(bytes, at);
    if (claimed <= offsetFloor || claimed > highest) continue;
    const record = parseRecord(bytes, at, salt);
    if (!record) continue;
    return {
      position: at,
      nextPosition: at + record.framedBytes,
      offset: record.offset,
      durableOffset: record.durableOffset,
    };
  }
  return undefined;
}
