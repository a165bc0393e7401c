/** Header, footer and trailer of a segment (FORMAT.md). */
import { ByteReader, BytesError, crc32c } from '@loki/bytes';
import type { ByteWriter } from '@loki/bytes';
import { LokiError, parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import { decodeOrCorrupt, corrupt } from '../format/corrupt.ts';
import { blocksMax, footerBytesMax, sectionsMax, streamsMax } from '../format/format-bounds.ts';
import type { SegmentKind } from '../format/types.ts';

/** "LTSG", little-endian. The mark at both ends of a segment. */
const magic = 0x4753544c;
const formatVersion = 1;
export const headerBytes = 8;
export const trailerBytes = 16;
/**
 * Areas in object order: bulk data first. Columns that small queries read are last, so that one read of the
 * object's tail gets them with the footer.
 */
export const areas = ['lines', 'metadata', 'lengths', 'timestamps', 'filters'] as const;
export const areaCount = areas.length;

const kinds: readonly SegmentKind[] = ['record', 'flushed', 'compacted'];

/** The footer's description of a section. */
export interface FooterSection {
  readonly tenant: TenantId;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly rowCount: number;
  readonly lineBytes: number;
  readonly streamCount: number;
  readonly blockCount: number;
  readonly indexBytes: number;
  /** Bytes of this section in each area. */
  readonly areaBytes: readonly number[];
}

/** A footer with a valid checksum; the indexes of its sections are still encoded. */
export interface RawFooter {
  readonly kind: SegmentKind;
  readonly version: number;
  readonly sizeBytes: number;
  /** Of the footer with its trailer. */
  readonly footerBytes: number;
  readonly entries: readonly FooterSection[];
  readonly indexes: readonly Buffer[];
  /** For each section and area: the start of its bytes. */
  readonly areaStarts: readonly (readonly number[])[];
}

export function writeHeader(writer: ByteWriter, kind: SegmentKind): void {
  writer.u32(magic);
  writer.u8(formatVersion);
  writer.u8(kinds.indexOf(kind) + 1);
  writer.u16(0);
}

/** Writes the trailer after the footer, which starts at `footerStart` in `writer`. */
export function writeTrailer(writer: ByteWriter, kind: SegmentKind, footerStart: number): void {
  const footerBytes = writer.length - footerStart;
  writer.u8(formatVersion);
  writer.u8(kinds.indexOf(kind) + 1);
  writer.u16(0);
  writer.u32(footerBytes);
  writer.u32(crc32c(writer.view(), footerStart, writer.length));
  writer.u32(magic);
}

export function writeFooterSection(writer: ByteWriter, entry: FooterSection): void {
  writer.sizedText(entry.tenant);
  writer.i64(entry.minNs);
  writer.uvarint64(entry.maxNs - entry.minNs);
  writer.uvarint(entry.rowCount);
  writer.uvarint(entry.lineBytes);
  writer.uvarint(entry.streamCount);
  writer.uvarint(entry.blockCount);
  writer.uvarint(entry.indexBytes);
  for (const bytes of entry.areaBytes) writer.uvarint(bytes);
}

/**
 * Bytes at the end of an object that are needed to read its footer. `tail` must hold at least its last
 * `trailerBytes` bytes.
 */
export function footerBytesNeeded(tail: Buffer, sizeBytes: number, name: string): number {
  if (tail.length < trailerBytes || sizeBytes < headerBytes + trailerBytes) {
    throw corrupt(name, 'trailer', `${sizeBytes} bytes are too few for a segment`);
  }
  const at = tail.length - trailerBytes;
  if (tail.readUInt32LE(at + 12) !== magic) throw corrupt(name, 'trailer', 'not the end of a segment');
  const version = tail[at];
  if (version > formatVersion) {
    throw corrupt(
      name,
      'trailer',
      `format version ${version} is newer than ${formatVersion}, the newest known here`,
    );
  }
  const needed = tail.readUInt32LE(at + 4) + trailerBytes;
  if (needed > footerBytesMax || needed + headerBytes > sizeBytes) {
    throw corrupt(name, 'trailer', `a footer of ${needed} bytes cannot stand in ${sizeBytes} bytes`);
  }
  return needed;
}

/** @param tail the object's last bytes, at least `footerBytesNeeded` */
export function readFooter(tail: Buffer, sizeBytes: number, name: string): RawFooter {
  const needed = footerBytesNeeded(tail, sizeBytes, name);
  const trailerAt = tail.length - trailerBytes;
  const start = tail.length - needed;
  if (crc32c(tail, start, trailerAt + 8) !== tail.readUInt32LE(trailerAt + 8)) {
    throw corrupt(name, 'footer', 'the checksum does not match');
  }
  return decodeOrCorrupt(name, 'footer', () => {
    const version = tail[trailerAt];
    const kind = kinds[tail[trailerAt + 1] - 1];
    if (version < 1 || kind === undefined || tail.readUInt16LE(trailerAt + 2) !== 0) {
      throw new BytesError(`version ${version}, kind ${tail[trailerAt + 1]} are not known`);
    }
    const reader = new ByteReader(tail, start, trailerAt);
    const entries: FooterSection[] = [];
    for (let remaining = reader.count(sectionsMax); remaining > 0; remaining--) {
      entries.push(readFooterSection(reader, entries.at(-1)?.tenant, name));
    }
    const indexes = entries.map((entry) => reader.bytes(entry.indexBytes));
    reader.expectEnd();
    const areaStarts = placeAreas(entries, sizeBytes - needed);
    return { kind, version, sizeBytes, footerBytes: needed, entries, indexes, areaStarts };
  });
}

/** Checks that the header agrees with the trailer. Reads of the tail alone skip this check. */
export function checkHeader(bytes: Buffer, name: string): void {
  const trailerAt = bytes.length - trailerBytes;
  if (bytes.readUInt32LE(0) !== magic || bytes.compare(bytes, trailerAt, trailerAt + 4, 4, 8) !== 0) {
    throw corrupt(name, 'header', 'not the beginning of this segment');
  }
}

function readFooterSection(reader: ByteReader, previous: string | undefined, name: string): FooterSection {
  const tenant = readTenant(reader, name);
  // Tenant ids are ASCII, so the order of strings is the order of their bytes.
  if (previous !== undefined && previous >= tenant) throw new BytesError('tenants are not in order');
  const minNs = reader.i64();
  const maxNs = minNs + reader.uvarint64();
  if (maxNs >= 1n << 63n) throw new BytesError('timestamps exceed 64 bits');
  const [rowCount, lineBytes] = [reader.uvarint(), reader.uvarint()];
  const [streamCount, blockCount] = [reader.count(streamsMax), reader.count(blocksMax)];
  const indexBytes = reader.count(reader.remaining);
  const areaBytes = areas.map(() => reader.uvarint());
  return { tenant, minNs, maxNs, rowCount, lineBytes, streamCount, blockCount, indexBytes, areaBytes };
}

function readTenant(reader: ByteReader, name: string): TenantId {
  const text = reader.sizedText();
  try {
    return parseTenantId(text);
  } catch (cause) {
    if (cause instanceof LokiError) throw corrupt(name, 'footer', `tenant: ${cause.message}`, cause);
    throw cause;
  }
}

/**
 * Computes the places of all areas: sections follow each other within an area, areas within the object,
 * without a gap.
 */
function placeAreas(entries: readonly FooterSection[], end: number): number[][] {
  const starts = entries.map(() => areas.map(() => 0));
  let at = headerBytes;
  for (let area = 0; area < areaCount; area++) {
    for (let i = 0; i < entries.length; i++) {
      starts[i][area] = at;
      at += entries[i].areaBytes[area];
    }
  }
  if (at !== end) throw new BytesError(`columns end at ${at}, the footer starts at ${end}`);
  return starts;
}
