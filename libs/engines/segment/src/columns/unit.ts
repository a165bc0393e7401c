/** Units: compressed, checksummed columns, the smallest parts of a segment that are read. */
import {
  ByteReader,
  BytesError,
  crc32c,
  skippedContent,
  skippedFrame,
  zstdCompress,
  zstdDecompress,
  zstdFrameEnd,
  zstdLevelDefault,
} from '@loki/bytes';
import type { ByteWriter, ZstdEffort } from '@loki/bytes';
import { compressFromBytes } from '../format/format-bounds.ts';

/** The place of a unit in the object, with the data to check and decode it. */
export interface UnitRef {
  readonly offset: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly isCompressed: boolean;
  /** CRC32C of the stored bytes. */
  readonly checksum: number;
}

/** An encoded unit before it is laid out. */
export interface PackedUnit {
  readonly bytes: Uint8Array;
  readonly rawBytes: number;
  readonly isCompressed: boolean;
}

export const emptyUnit: PackedUnit = { bytes: new Uint8Array(0), rawBytes: 0, isCompressed: false };

/**
 * The level for everything but lines: ids, numbers and filters become as small at level 1 as at a higher one.
 */
export function columnLevel(effort: ZstdEffort): number {
  return effort === 'dense' ? zstdLevelDefault : effort;
}

/** Compresses a unit when that makes it smaller. The result may share `raw`'s memory. */
export function pack(raw: Uint8Array, effort: ZstdEffort): PackedUnit {
  if (raw.length >= compressFromBytes) {
    const compressed = zstdCompress(raw, effort);
    if (compressed.length < raw.length) {
      return { bytes: compressed, rawBytes: raw.length, isCompressed: true };
    }
  }
  return { bytes: raw, rawBytes: raw.length, isCompressed: false };
}

/** Writes the table row of a unit: sizes and checksum; an empty unit takes one byte. */
export function writeUnitEntry(writer: ByteWriter, unit: PackedUnit): void {
  writer.uvarint(unit.rawBytes * 2 + (unit.isCompressed ? 1 : 0));
  if (unit.rawBytes === 0) return;
  if (unit.isCompressed) writer.uvarint(unit.bytes.length);
  writer.u32(crc32c(unit.bytes));
}

export function readUnitEntry(reader: ByteReader, offset: number, rawBytesMax: number): UnitRef {
  const head = reader.count(rawBytesMax * 2 + 1);
  const isCompressed = head % 2 === 1;
  const rawBytes = (head - (head % 2)) / 2;
  if (rawBytes === 0) {
    if (isCompressed) throw new BytesError('an empty unit cannot be compressed');
    return { offset, storedBytes: 0, rawBytes: 0, isCompressed: false, checksum: 0 };
  }
  const storedBytes = isCompressed ? reader.count(rawBytes - 1) : rawBytes;
  return { offset, storedBytes, rawBytes, isCompressed, checksum: reader.u32() };
}

/** Whether the stored bytes match the checksum. */
export function isIntact(unit: UnitRef, stored: Uint8Array): boolean {
  return stored.length === unit.storedBytes && (unit.rawBytes === 0 || crc32c(stored) === unit.checksum);
}

/** The decoded bytes of a unit. Throws BytesError when the stored bytes are damaged. */
export function unpack(unit: UnitRef, stored: Uint8Array): Buffer {
  if (stored.length !== unit.storedBytes) {
    throw new BytesError(`${stored.length} bytes instead of ${unit.storedBytes}`);
  }
  if (unit.rawBytes === 0) return Buffer.alloc(0);
  if (crc32c(stored) !== unit.checksum) throw new BytesError('the checksum does not match');
  if (unit.isCompressed) return zstdDecompress(stored, unit.rawBytes);
  return Buffer.from(stored.buffer, stored.byteOffset, stored.length);
}

/**
 * Writes a part of the footer: sizes, then the bytes. The footer has one checksum for all parts.
 *
 * @param annex stands behind the part's frame, in one that decoders skip: readers of the versions before the
 * annex read the part alone
 */
export function writePacked(writer: ByteWriter, raw: Uint8Array, level: number, annex?: Uint8Array): void {
  const unit = annex ? withAnnex(raw, level, annex) : pack(raw, level);
  writer.uvarint(unit.rawBytes * 2 + (unit.isCompressed ? 1 : 0));
  if (unit.isCompressed) writer.uvarint(unit.bytes.length);
  writer.bytes(unit.bytes);
}

/** The part becomes a frame also where it is smaller without. */
function withAnnex(raw: Uint8Array, level: number, annex: Uint8Array): PackedUnit {
  const bytes = Buffer.concat([zstdCompress(raw, level), skippedFrame(annex)]);
  return { bytes, rawBytes: raw.length, isCompressed: true };
}

/** A part of the footer, still compressed until its first use. */
export interface PackedPart {
  readonly rawBytes: number;
  readonly isCompressed: boolean;
  /** With the annex, where there is one. */
  readonly bytes: Buffer;
}

export function readPacked(reader: ByteReader, rawBytesMax: number): PackedPart {
  const head = reader.count(rawBytesMax * 2 + 1);
  const isCompressed = head % 2 === 1;
  const rawBytes = (head - (head % 2)) / 2;
  return { rawBytes, isCompressed, bytes: reader.bytes(isCompressed ? reader.uvarint() : rawBytes) };
}

export function openPacked(part: PackedPart): ByteReader {
  if (!part.isCompressed) return new ByteReader(part.bytes);
  const frame = part.bytes.subarray(0, zstdFrameEnd(part.bytes));
  return new ByteReader(zstdDecompress(frame, part.rawBytes));
}

/** The annex of a part; undefined: it was written without. */
export function openAnnex(part: PackedPart): ByteReader | undefined {
  const end = part.isCompressed ? zstdFrameEnd(part.bytes) : undefined;
  const content = end === undefined ? undefined : skippedContent(part.bytes.subarray(end));
  return content && new ByteReader(content);
}
