/** The bytes of the embedded log's files (FORMAT.md). */
import { crc32c } from '@loki/bytes';
import type { LoggedRecord, LogRecord } from '@loki/ports';

/** FORMAT.md beside this library draws these bytes. */
const magic = Buffer.from('LOKIWLOG', 'latin1');
const version = 1;

export const fileHeaderBytes = 32;
export const recordHeaderBytes = 48;

interface FileHeader {
  readonly partition: number;
  readonly firstOffset: number;
  /**
   * Start value of every checksum in this file: records of another file, and bytes that a client constructed,
   * never match.
   */
  readonly salt: number;
}

export function encodeFileHeader(header: FileHeader): Buffer {
  const bytes = Buffer.alloc(fileHeaderBytes);
  magic.copy(bytes);
  bytes.writeUInt32LE(version, 8);
  bytes.writeUInt32LE(header.partition, 12);
  putU53(bytes, 16, header.firstOffset);
  bytes.writeUInt32LE(header.salt, 24);
  bytes.writeUInt32LE(crc32c(bytes, 0, 28), 28);
  return bytes;
}

/**
 * The header of a file that is named for `place`. A damaged header is repaired if the first record, which
 * `bytes` contains, confirms its salt: unchanged or with one bit flipped.
 */
export function headerOf(
  bytes: Buffer,
  { partition, firstOffset }: { partition: number; firstOffset: number },
): FileHeader | undefined {
  if (bytes.length < fileHeaderBytes) return undefined;
  if (crc32c(bytes, 0, 28) === bytes.readUInt32LE(28)) return parseFileHeader(bytes);
  const stored = bytes.readUInt32LE(24);
  const salts = [stored, ...Array.from({ length: 32 }, (_, bit) => (stored ^ (1 << bit)) >>> 0)];
  const salt = salts.find((each) => parseRecord(bytes, fileHeaderBytes, each)?.offset === firstOffset);
  return salt === undefined ? undefined : { partition, firstOffset, salt };
}

function parseFileHeader(bytes: Buffer): FileHeader | undefined {
  if (!bytes.subarray(0, 8).equals(magic) || bytes.readUInt32LE(8) !== version) return undefined;
  return { partition: bytes.readUInt32LE(12), firstOffset: getU53(bytes, 16), salt: bytes.readUInt32LE(24) };
}

/** A record in a file. */
interface FramedRecord extends LoggedRecord {
  /** All records below this offset were durable before this one was written. */
  readonly durableOffset: number;
  /** Bytes of the record in the file. */
  readonly framedBytes: number;
}

export function framedBytes(record: LogRecord): number {
  return recordHeaderBytes + record.payload.length;
}

/** Writes one record at `at`; the caller has reserved room. Returns the position after it. */
export function writeRecord(
  bytes: Buffer,
  at: number,
  record: LogRecord,
  place: { offset: number; durableOffset: number; salt: number },
): number {
  const end = at + framedBytes(record);
  bytes.writeUInt32LE(record.payload.length, at + 4);
  putU53(bytes, at + 8, place.offset);
  putU53(bytes, at + 16, place.durableOffset);
  bytes.write(record.writerId, at + 24, 16, 'hex');
  putU53(bytes, at + 40, record.sequence);
  bytes.set(record.payload, at + recordHeaderBytes);
  bytes.writeUInt32LE(crc32c(bytes, at + 4, end, place.salt), at);
  return end;
}

/**
 * Parses the record at `at`. Its payload is a view of `bytes`.
 *
 * @returns undefined when the bytes are cut short, too long, fail the checksum, or hold a sequence that no
 *   writer has
 */
export function parseRecord(bytes: Buffer, at: number, salt: number): FramedRecord | undefined {
  if (at + recordHeaderBytes > bytes.length) return undefined;
  const end = at + recordHeaderBytes + bytes.readUInt32LE(at + 4);
  if (end > bytes.length) return undefined;
  if (crc32c(bytes, at + 4, end, salt) !== bytes.readUInt32LE(at)) return undefined;
  const sequence = getU53(bytes, at + 40);
  if (sequence > Number.MAX_SAFE_INTEGER) return undefined;
  return {
    offset: getU53(bytes, at + 8),
    durableOffset: getU53(bytes, at + 16),
    writerId: bytes.toString('hex', at + 24, at + 40),
    sequence,
    payload: bytes.subarray(at + recordHeaderBytes, end),
    framedBytes: end - at,
  };
}

/** The claimed size of the record at `at`; its first eight bytes must exist. */
export function claimedBytes(bytes: Buffer, at: number): number {
  return recordHeaderBytes + bytes.readUInt32LE(at + 4);
}

/** The claimed offset of the record at `at`, unchecked. */
export function claimedOffset(bytes: Buffer, at: number): number {
  return getU53(bytes, at + 8);
}

export function putU53(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value % 0x1_0000_0000, at);
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

/** Values above 2^53 are not exact, but this log never writes such values. */
export function getU53(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
}
