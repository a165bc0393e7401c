/**
 * A file of the cache on local disk: ranges that were read about the same time, written at once and never
 * changed.
 *
 *     magic u32 | version u32 | ranges u32 | CRC32C of the table u32 | bytes of the file u32
 *     table, 32 bytes a range: key 3 × u32 | offset f64 | bytes u32 | CRC32C u32 | position u32
 *     the ranges
 *
 * All little-endian. A file that another version wrote is deleted: the store has everything.
 */
import { crc32c } from '@loki/bytes';
import type { RangeEntry } from './disk-cache-index.ts';

/** "LKRC". */
const magic = 0x4352_4b4c;
const version = 1;
export const headerBytes = 20;
const rowBytes = 32;
export const fileBytesMax = 64 << 20;

/** A range to be written. */
export interface NewRange extends Omit<RangeEntry, 'position'> {
  readonly bytes: Uint8Array;
}

/** Bytes that ranges take in a file. */
export function fileBytesOf(ranges: number, payloadBytes: number): number {
  return headerBytes + ranges * rowBytes + payloadBytes;
}

export function encodeFile(ranges: readonly NewRange[]): { bytes: Buffer; entries: RangeEntry[] } {
  const payloadBytes = ranges.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const file = Buffer.alloc(fileBytesOf(ranges.length, payloadBytes));
  let position = headerBytes + ranges.length * rowBytes;
  const entries: RangeEntry[] = [];
  ranges.forEach(({ key, offset, storedBytes, checksum, bytes }, i) => {
    const row = headerBytes + i * rowBytes;
    key.forEach((part, k) => file.writeInt32LE(part, row + k * 4));
    file.writeDoubleLE(offset, row + 12);
    file.writeUInt32LE(storedBytes, row + 20);
    file.writeUInt32LE(checksum, row + 24);
    file.writeUInt32LE(position, row + 28);
    file.set(bytes, position);
    entries.push({ key, offset, storedBytes, checksum, position });
    position += bytes.length;
  });
  file.writeUInt32LE(magic, 0);
  file.writeUInt32LE(version, 4);
  file.writeUInt32LE(ranges.length, 8);
  file.writeUInt32LE(crc32c(file, headerBytes, headerBytes + ranges.length * rowBytes), 12);
  file.writeUInt32LE(file.length, 16);
  return { bytes: file, entries };
}

/** Bytes of the table behind a header; undefined: not a whole file of this version. */
export function tableBytesOf(header: Buffer, sizeBytes: number): number | undefined {
  if (header.length < headerBytes || header.readUInt32LE(0) !== magic || header.readUInt32LE(4) !== version) {
    return undefined;
  }
  const tableBytes = header.readUInt32LE(8) * rowBytes;
  const isWhole = header.readUInt32LE(16) === sizeBytes && headerBytes + tableBytes <= sizeBytes;
  return isWhole ? tableBytes : undefined;
}

/** The ranges of a file; undefined: its table is damaged. */
export function decodeTable(header: Buffer, table: Buffer, sizeBytes: number): RangeEntry[] | undefined {
  if (table.length !== tableBytesOf(header, sizeBytes) || crc32c(table) !== header.readUInt32LE(12)) {
    return undefined;
  }
  const entries: RangeEntry[] = [];
  for (let row = 0; row < table.length; row += rowBytes) {
    const entry = {
      key: [table.readInt32LE(row), table.readInt32LE(row + 4), table.readInt32LE(row + 8)] as const,
      offset: table.readDoubleLE(row + 12),
      storedBytes: table.readUInt32LE(row + 20),
      checksum: table.readUInt32LE(row + 24),
      position: table.readUInt32LE(row + 28),
    };
    const isInside = entry.position + entry.storedBytes <= sizeBytes;
    if (!Number.isSafeInteger(entry.offset) || !isInside) return undefined;
    entries.push(entry);
  }
  return entries;
}
