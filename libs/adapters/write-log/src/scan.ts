import { claimedOffset, fileHeaderBytes, parseRecord, recordHeaderBytes } from './format.ts';

/**
 * Records [fromOffset, toOffset) of a file cannot be read: the bytes [position, nextPosition) make no sense.
 */
export interface DamagedRange {
  readonly position: number;
  readonly nextPosition: number;
  readonly fromOffset: number;
  readonly toOffset: number;
}

export interface ScanResult {
  /** Offset after the last whole record. */
  readonly endOffset: number;
  /** Where the last whole record ends; what follows is a torn tail. */
  readonly endPosition: number;
  readonly damage: readonly DamagedRange[];
  /**
   * Where the newest commit begins. Bytes before it are proved durable; the commit itself may be in the
   * system's cache only. Never damaged: nothing could prove that it was durable.
   */
  readonly lastCommit: { readonly offset: number; readonly position: number };
}

/**
 * Finds what survived in the newest file of a partition.
 *
 * A record that cannot be read is a torn tail, unless a later record proves that it had been durable (its
 * `durableOffset` lies above): then it is damage, and what follows is kept.
 *
 * @param bytes the whole file, its header included
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
  }
}

/** The first whole record after a bad one, if any later record shows that the bad one had been durable. */
function provenNext(
  bytes: Buffer,
  position: number,
  offset: number,
  salt: number,
): { position: number; offset: number } | undefined {
  let first: { position: number; offset: number } | undefined;
  let at = position + 1;
  for (;;) {
    const found = findRecord(bytes, at, { above: offset, salt });
    if (!found) return undefined;
    first ??= { position: found.position, offset: found.offset };
    if (found.durableOffset > offset) return first;
    at = found.nextPosition;
  }
}

/**
 * The first whole record at or after `from` whose offset is above `above`.
 *
 * O(bytes): most positions are ruled out by the offset they claim; only few need their checksum computed.
 */
export function findRecord(
  bytes: Buffer,
  from: number,
  options: { above: number; salt: number },
): { position: number; nextPosition: number; offset: number; durableOffset: number } | undefined {
  const { above, salt } = options;
  const last = bytes.length - recordHeaderBytes;
  // Each record takes a header at least, so no offset of this file can lie further above.
  const highest = above + Math.ceil(bytes.length / recordHeaderBytes);
  for (let at = from; at <= last; at++) {
    const claimed = claimedOffset(bytes, at);
    if (claimed <= above || claimed > highest) continue;
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
