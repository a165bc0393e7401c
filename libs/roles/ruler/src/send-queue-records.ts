/** The bytes of the queue's records and of its saved position. FORMAT.md draws them. */
import { crc32c } from '@loki/bytes';
import { mib } from '@loki/model';
import type { DiskFile } from '@loki/ports';

/** Waiting samples as they are stored on disk. */
export interface QueuedRecord {
  readonly bytes: Buffer;
  readonly samples: number;
  readonly newestMs: number;
}

/**
 * Header of a record, little-endian: bytes, samples, newest time in ms (8 bytes), CRC32C of these and the
 * payload.
 */
export const headerBytes = 20;

/** A longer record is damage. */
const recordBytesMax = 64 * mib;
/** Bounds on the samples of one record, and on times in ms: larger values are no record header. */
const samplesMaxOfRecord = 1 << 24;
const timeMsMax = 1e15;

export function encodeRecord({ bytes, samples, newestMs }: QueuedRecord): Buffer {
  const out = Buffer.allocUnsafe(headerBytes + bytes.length);
  out.writeUInt32LE(bytes.length, 0);
  out.writeUInt32LE(samples, 4);
  out.writeDoubleLE(newestMs, 8);
  out.set(bytes, headerBytes);
  out.writeUInt32LE(checksum(out), 16);
  return out;
}

/** Checksum over everything except the checksum itself. */
function checksum(record: Buffer): number {
  return crc32c(record, headerBytes, record.length, crc32c(record, 0, 16));
}

/** undefined: no whole record at this offset. */
export async function readRecord(file: DiskFile, offset: number): Promise<QueuedRecord | undefined> {
  const header = await file.read(offset, headerBytes);
  if (header.length < headerBytes) return undefined;
  const length = header.readUInt32LE(0);
  if (length > recordBytesMax) return undefined;
  const payload = await file.read(offset + headerBytes, length);
  if (payload.length < length) return undefined;
  if (crc32c(payload, 0, length, crc32c(header, 0, 16)) !== header.readUInt32LE(16)) return undefined;
  return { bytes: payload, samples: header.readUInt32LE(4), newestMs: header.readDoubleLE(8) };
}

/**
 * The offset of the first sound record after the damage at `offset`; undefined: none before `end`. Bytes that
 * cannot be a header cost no checksum. Bytes that look like headers of long, nested records end the search
 * after checksums over four times the file: the cost is linear, and the file's end counts as damaged.
 */
export async function soundAfter(file: DiskFile, offset: number, end: number): Promise<number | undefined> {
  const bytes = await file.read(offset, end - offset);
  let summableBytes = 4 * bytes.length + mib;
  for (let at = 1; at + headerBytes <= bytes.length; at++) {
    const recordEnd = at + headerBytes + bytes.readUInt32LE(at);
    if (recordEnd > bytes.length || bytes.readUInt32LE(at + 4) > samplesMaxOfRecord) continue;
    const newestMs = bytes.readDoubleLE(at + 8);
    if (!(Math.abs(newestMs) < timeMsMax)) continue;
    summableBytes -= recordEnd - at;
    if (summableBytes < 0) return undefined;
    if (checksum(bytes.subarray(at, recordEnd)) === bytes.readUInt32LE(at + 16)) return offset + at;
  }
  return undefined;
}
