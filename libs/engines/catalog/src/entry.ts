import { ByteReader, ByteWriter, crc32c } from '@loki/bytes';
import { LokiError } from '@loki/model';

/** What one tenant has in a segment. */
export interface SectionEntry {
  readonly tenant: string;
  /** Inclusive. */
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly rowCount: number;
  readonly lineBytes: number;
}

/** A segment as the catalog knows it: what is needed to choose it, or not, without reading it. */
export interface SegmentEntry {
  readonly key: string;
  readonly sizeBytes: number;
  /** 0: flushed; higher: how often its rows were merged. */
  readonly level: number;
  readonly sections: readonly SectionEntry[];
}

/** Sections that are no longer to be read: of these tenants, or of all (then the object may be deleted later). */
export interface DroppedSections {
  readonly key: string;
  /** Empty: all tenants. */
  readonly tenants: readonly string[];
}

/** The last sequence number of each writer, most recently heard last. */
export type WriterTable = readonly (readonly [writerId: string, sequence: number])[];

/** What an entry says, apart from where it stands. */
export interface EntryContent {
  /** Records [startOffset, endOffset) are committed by this entry. */
  readonly startOffset: number;
  readonly endOffset: number;
  /** Absent when the records left nothing to store, and in entries that only drop. */
  readonly segment?: SegmentEntry;
  readonly writers: WriterTable;
  readonly drops: readonly DroppedSections[];
  /** Segments whose objects have been deleted: nobody needs to remember them any more. */
  readonly erased: readonly string[];
  /** Wall clock of who wrote the entry; for grace periods and for people. */
  readonly createdMs: number;
}

/** One entry of a partition's manifest. */
export interface CatalogEntry extends EntryContent {
  readonly partition: number;
  /** From 1, without a gap. */
  readonly number: number;
}

/** `LCE1`. The last byte is the version. */
const magic = 0x3145_434c;
/** Bounds on what a single entry may say; hostile or damaged counts fail before memory is taken. */
const listMax = 1_000_000;

export function encodeEntry(entry: CatalogEntry): Buffer {
  const writer = new ByteWriter(512);
  writer.u32(magic);
  writer.uvarint(entry.partition);
  writer.uvarint(entry.number);
  writer.uvarint(entry.startOffset);
  writer.uvarint(entry.endOffset);
  writer.uvarint(entry.createdMs);
  writer.u8(entry.segment ? 1 : 0);
  if (entry.segment) putSegment(writer, entry.segment);
  putWriters(writer, entry.writers);
  putDrops(writer, entry.drops);
  putTexts(writer, entry.erased);
  return seal(writer);
}

/** @throws LokiError `corrupt`, naming `key` */
export function decodeEntry(bytes: Uint8Array, key: string): CatalogEntry {
  return decode(bytes, key, magic, (reader) => ({
    partition: reader.uvarint(),
    number: reader.uvarint(),
    startOffset: reader.uvarint(),
    endOffset: reader.uvarint(),
    createdMs: reader.uvarint(),
    segment: reader.u8() === 1 ? getSegment(reader) : undefined,
    writers: getWriters(reader),
    drops: getDrops(reader),
    erased: getTexts(reader),
  }));
}

// ---- pieces that checkpoints share

/** Ends an object with the CRC32C of all before. */
export function seal(writer: ByteWriter): Buffer {
  writer.u32(crc32c(writer.view()));
  return writer.take();
}

/** Checks checksum, magic and length, and turns whatever else does not fit into `corrupt`. */
export function decode<T>(
  bytes: Uint8Array,
  key: string,
  expectedMagic: number,
  read: (reader: ByteReader) => T,
): T {
  try {
    const end = bytes.length - 4;
    if (end < 0 || new ByteReader(bytes, end).u32() !== crc32c(bytes, 0, end)) {
      throw new Error('checksum fails');
    }
    const reader = new ByteReader(bytes, 0, end);
    const found = reader.u32();
    if (found !== expectedMagic) throw new Error(`unknown kind or version ${found.toString(16)}`);
    const result = read(reader);
    reader.expectEnd();
    return result;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LokiError('corrupt', `catalog: ${key}: ${reason}`, { cause });
  }
}

export function putSegment(writer: ByteWriter, segment: SegmentEntry): void {
  writer.sizedText(segment.key);
  writer.uvarint(segment.sizeBytes);
  writer.uvarint(segment.level);
  writer.uvarint(segment.sections.length);
  for (const section of segment.sections) {
    writer.sizedText(section.tenant);
    writer.i64(section.minNs);
    writer.uvarint64(section.maxNs - section.minNs);
    writer.uvarint(section.rowCount);
    writer.uvarint(section.lineBytes);
  }
}

export function getSegment(reader: ByteReader): SegmentEntry {
  const key = reader.sizedText();
  const sizeBytes = reader.uvarint();
  const level = reader.uvarint();
  const sections: SectionEntry[] = [];
  for (let left = reader.count(listMax); left > 0; left--) {
    const tenant = reader.sizedText();
    const minNs = reader.i64();
    const maxNs = minNs + reader.uvarint64();
    sections.push({ tenant, minNs, maxNs, rowCount: reader.uvarint(), lineBytes: reader.uvarint() });
  }
  return { key, sizeBytes, level, sections };
}

export function putWriters(writer: ByteWriter, writers: WriterTable): void {
  writer.uvarint(writers.length);
  for (const [writerId, sequence] of writers) {
    writer.sizedText(writerId);
    writer.uvarint(sequence);
  }
}

export function getWriters(reader: ByteReader): WriterTable {
  const writers: [string, number][] = [];
  for (let left = reader.count(listMax); left > 0; left--) {
    writers.push([reader.sizedText(), reader.uvarint()]);
  }
  return writers;
}

export function putTexts(writer: ByteWriter, texts: readonly string[]): void {
  writer.uvarint(texts.length);
  for (const text of texts) writer.sizedText(text);
}

export function getTexts(reader: ByteReader): string[] {
  const texts: string[] = [];
  for (let left = reader.count(listMax); left > 0; left--) texts.push(reader.sizedText());
  return texts;
}

function putDrops(writer: ByteWriter, drops: readonly DroppedSections[]): void {
  writer.uvarint(drops.length);
  for (const drop of drops) {
    writer.sizedText(drop.key);
    putTexts(writer, drop.tenants);
  }
}

function getDrops(reader: ByteReader): DroppedSections[] {
  const drops: DroppedSections[] = [];
  for (let left = reader.count(listMax); left > 0; left--) {
    drops.push({ key: reader.sizedText(), tenants: getTexts(reader) });
  }
  return drops;
}
