/** Manifests of the compactors' log (FORMAT.md). */
import { ByteWriter } from '@loki/bytes';
import type { ByteReader } from '@loki/bytes';
import { appendChecksum, decode, getList, getTexts, putTexts } from '../logs/manifest.ts';

/** A range of the write log's records of one partition. */
export interface RecordRange {
  readonly partition: number;
  readonly startOffset: number;
  readonly endOffset: number;
}

/** A segment with rows of one tenant and one UTC day. */
export interface CompactedSegment {
  readonly key: string;
  readonly sizeBytes: number;
  /** Number of merges that its rows went through. */
  readonly level: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  readonly rowCount: number;
  readonly lineBytes: number;
  readonly createdMs: number;
  /** By partition, ascending: from the first to the last record that went in. */
  readonly sources: readonly RecordRange[];
}

/** A flushed segment whose rows of one tenant and day a compacted segment replaces. */
export interface FlushedInput extends RecordRange {
  readonly key: string;
}

/** The changes of one compaction to one day (counted from 1970-01-01) of one tenant. */
export interface DayChange {
  readonly tenant: string;
  readonly day: number;
  readonly flushed: readonly FlushedInput[];
  /** Keys of outputs of earlier changes, neighbours in the day's order. */
  readonly compacted: readonly string[];
  /** The segments with the rows after the change; empty when no row remains. */
  readonly outputs: readonly CompactedSegment[];
}

/** One manifest of the compactors' log. */
export interface CompactionManifest {
  /** From 1, without a gap. */
  readonly number: number;
  readonly createdMs: number;
  readonly changes: readonly DayChange[];
  /** Deleted objects: states forget them. */
  readonly erased: readonly string[];
}

/** One manifest with all changes; undefined: two of them are about the same day of a tenant. */
export function joinCompactions(manifests: readonly CompactionManifest[]): CompactionManifest | undefined {
  const changes = manifests.flatMap((each) => each.changes);
  const days = new Set(changes.map(({ tenant, day }) => `${day} ${tenant}`));
  if (days.size < changes.length) return undefined;
  const createdMs = Math.max(...manifests.map((each) => each.createdMs));
  const erased = [...new Set(manifests.flatMap((each) => each.erased))];
  return { number: manifests[0].number, createdMs, changes, erased };
}

/** `LME1`. The last byte is the version. */
const magic = 0x3145_4d4c;

export function encodeCompactionManifest(manifest: CompactionManifest): Buffer {
  const writer = new ByteWriter(512);
  writer.u32(magic);
  writer.uvarint(manifest.number);
  writer.uvarint(manifest.createdMs);
  writer.uvarint(manifest.changes.length);
  for (const change of manifest.changes) {
    writer.sizedText(change.tenant);
    writer.varint(change.day);
    writer.uvarint(change.flushed.length);
    for (const input of change.flushed) {
      writer.sizedText(input.key);
      putRange(writer, input);
    }
    putTexts(writer, change.compacted);
    writer.uvarint(change.outputs.length);
    for (const output of change.outputs) putCompacted(writer, output);
  }
  putTexts(writer, manifest.erased);
  return appendChecksum(writer);
}

/** @throws LokiError `corrupt`, naming `key` */
export function decodeCompactionManifest(bytes: Uint8Array, key: string): CompactionManifest {
  return decode(bytes, key, magic, (reader) => ({
    number: reader.uvarint(),
    createdMs: reader.uvarint(),
    changes: getList(reader, () => ({
      tenant: reader.sizedText(),
      day: reader.varint(),
      flushed: getList(reader, () => ({ key: reader.sizedText(), ...getRange(reader) })),
      compacted: getTexts(reader),
      outputs: getList(reader, () => getCompacted(reader)),
    })),
    erased: getTexts(reader),
  }));
}

export function putCompacted(writer: ByteWriter, segment: CompactedSegment): void {
  writer.sizedText(segment.key);
  writer.uvarint(segment.sizeBytes);
  writer.uvarint(segment.level);
  writer.i64(segment.minNs);
  writer.uvarint64(segment.maxNs - segment.minNs);
  writer.uvarint(segment.rowCount);
  writer.uvarint(segment.lineBytes);
  writer.uvarint(segment.createdMs);
  writer.uvarint(segment.sources.length);
  for (const source of segment.sources) putRange(writer, source);
}

export function getCompacted(reader: ByteReader): CompactedSegment {
  const [key, sizeBytes, level] = [reader.sizedText(), reader.uvarint(), reader.uvarint()];
  const minNs = reader.i64();
  return {
    key,
    sizeBytes,
    level,
    minNs,
    maxNs: minNs + reader.uvarint64(),
    rowCount: reader.uvarint(),
    lineBytes: reader.uvarint(),
    createdMs: reader.uvarint(),
    sources: getList(reader, () => getRange(reader)),
  };
}

export function putRange(writer: ByteWriter, range: RecordRange): void {
  writer.uvarint(range.partition);
  writer.uvarint(range.startOffset);
  writer.uvarint(range.endOffset - range.startOffset);
}

export function getRange(reader: ByteReader): RecordRange {
  const [partition, startOffset] = [reader.uvarint(), reader.uvarint()];
  return { partition, startOffset, endOffset: startOffset + reader.uvarint() };
}
