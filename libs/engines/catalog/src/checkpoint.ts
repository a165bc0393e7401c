/** Checkpoints of a partition's catalog (FORMAT.md): a root that names parts, or everything in one object. */
import { ByteReader, ByteWriter, zstdCompress, zstdDecompress } from '@loki/bytes';
import type { CatalogState, DeadSegment } from './catalog-state.ts';
import { decode, getSegment, getWriters, putSegment, putWriters, appendChecksum } from './manifest.ts';
import type { LiveSegment, PartIdentity, SegmentGroup } from './segment-groups.ts';

/** `LCC1`: everything in one object. The last byte is the version. */
const wholeMagic = 0x3143_434c;
/** `LCC2`: the root of a checkpoint in parts. */
const rootMagic = 0x3243_434c;
/** `LCP1`: a part. */
const partMagic = 0x3150_434c;
/** Largest unpacked checkpoint of version 1: some millions of sections. */
const wholeBytesMax = 512 << 20;
/**
 * Largest unpacked part: one segment of a million sections, as a manifest may have, each of 190 bytes at
 * most.
 */
const partBytesMax = 256 << 20;
const listMax = 10_000_000;
const partsMax = 1_000_000;
/** Bytes of a SHA-256 that name a part. */
export const hashBytes = 16;

/** One part of a checkpoint, as the root names it. */
export interface PartRef extends PartIdentity {
  /** Of the checkpoint that wrote it. */
  readonly number: number;
}

/** The content of a part. */
export interface PartContent {
  readonly live: Iterable<LiveSegment>;
  readonly dead: readonly DeadSegment[];
}

/** Encodes a partition's folded manifests as one object: magic, unpacked size, zstd of the body, CRC32C. */
export function encodeCheckpoint(state: CatalogState): Buffer {
  const body = new ByteWriter(1 << 16);
  putHead(body, state);
  putLive(body, state.live.values(), state.live.size);
  putDead(body, [...state.dead.values()]);
  return packed(wholeMagic, body);
}

/** Encodes the root: the state without live and dead segments, which are in its parts. */
export function encodeRoot(state: CatalogState, parts: readonly PartRef[]): Buffer {
  const writer = new ByteWriter(parts.length * 24 + 256);
  writer.u32(rootMagic);
  putHead(writer, state);
  writer.uvarint(parts.length);
  for (const { number, hash, sizeBytes } of parts) {
    writer.uvarint(number);
    writer.bytes(Buffer.from(hash, 'hex'));
    writer.uvarint(sizeBytes);
  }
  return appendChecksum(writer);
}

export function encodePart({ live, dead }: PartContent): Buffer {
  const body = new ByteWriter(1 << 16);
  const segments = [...live];
  putLive(body, segments, segments.length);
  putDead(body, dead);
  return packed(partMagic, body);
}

/**
 * Fills an empty state from a checkpoint, without the segments in its parts.
 *
 * @returns its parts, in order; undefined: everything was in the object (version 1)
 * @throws LokiError `corrupt`, with `key`
 */
export function decodeCheckpoint(bytes: Uint8Array, key: string, state: CatalogState): PartRef[] | undefined {
  if (bytes.length >= 4 && new ByteReader(bytes).u32() === rootMagic) {
    return decode(bytes, key, rootMagic, (reader) => {
      getHead(reader, state);
      const parts: PartRef[] = [];
      for (let remaining = reader.count(partsMax); remaining > 0; remaining--) {
        const number = reader.uvarint();
        const hash = reader.bytes(hashBytes).toString('hex');
        parts.push({ number, hash, sizeBytes: reader.uvarint() });
      }
      return parts;
    });
  }
  return decode(bytes, key, wholeMagic, (reader) => {
    const body = unpacked(reader, wholeBytesMax);
    getHead(body, state);
    const { newestNs } = state;
    getLive(body, state);
    for (const dead of getDead(body)) state.dead.set(dead.key, dead);
    body.expectEnd();
    state.newestNs = newestNs;
    return undefined;
  });
}

/** Adds a part's live segments to the state as one group; returns the dead ones. */
export function decodePart(
  bytes: Uint8Array,
  key: string,
  state: CatalogState,
  identity: PartIdentity,
): DeadSegment[] {
  return decode(bytes, key, partMagic, (reader) => {
    const body = unpacked(reader, partBytesMax);
    getLive(body, state, identity);
    const dead = getDead(body);
    body.expectEnd();
    return dead;
  });
}

function packed(magic: number, body: ByteWriter): Buffer {
  const writer = new ByteWriter(body.length / 4 + 64);
  writer.u32(magic);
  writer.uvarint(body.length);
  writer.sizedBytes(zstdCompress(body.view()));
  return appendChecksum(writer);
}

function unpacked(reader: ByteReader, bytesMax: number): ByteReader {
  const size = reader.count(bytesMax);
  return new ByteReader(zstdDecompress(reader.sizedBytes(), size));
}

function putHead(
  writer: ByteWriter,
  { partition, number, endOffset, writers, newestNs }: CatalogState,
): void {
  writer.uvarint(partition);
  writer.uvarint(number);
  writer.uvarint(endOffset);
  putWriters(writer, writers);
  writer.u8(newestNs === undefined ? 0 : 1);
  writer.i64(newestNs ?? 0n);
}

function getHead(reader: ByteReader, state: CatalogState): void {
  const partition = reader.uvarint();
  if (partition !== state.partition) throw new Error(`of partition ${partition}`);
  state.number = reader.uvarint();
  state.endOffset = reader.uvarint();
  state.writers = getWriters(reader);
  const hasRows = reader.u8() === 1;
  const newestNs = reader.i64();
  state.newestNs = hasRows ? newestNs : undefined;
}

function putLive(writer: ByteWriter, segments: Iterable<LiveSegment>, count: number): void {
  writer.uvarint(count);
  for (const live of segments) {
    writer.uvarint(live.startOffset);
    writer.uvarint(live.endOffset);
    writer.uvarint(live.createdMs);
    putSegment(writer, live.segment);
  }
}

/** @param identity of the part that is read, whose segments are one group */
function getLive(reader: ByteReader, state: CatalogState, identity?: PartIdentity): void {
  const { partition } = state;
  let group: SegmentGroup | undefined;
  for (let remaining = reader.count(listMax); remaining > 0; remaining--) {
    if (identity) group ??= state.groups.open(identity);
    const startOffset = reader.uvarint();
    const endOffset = reader.uvarint();
    const createdMs = reader.uvarint();
    state.addLive({ partition, startOffset, endOffset, createdMs }, getSegment(reader), group);
  }
}

function putDead(writer: ByteWriter, segments: readonly DeadSegment[]): void {
  writer.uvarint(segments.length);
  for (const { key, droppedMs } of segments) {
    writer.sizedText(key);
    writer.uvarint(droppedMs);
  }
}

function getDead(reader: ByteReader): DeadSegment[] {
  const segments: DeadSegment[] = [];
  for (let remaining = reader.count(listMax); remaining > 0; remaining--) {
    segments.push({ key: reader.sizedText(), droppedMs: reader.uvarint() });
  }
  return segments;
}
