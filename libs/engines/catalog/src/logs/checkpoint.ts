/** Checkpoints of a partition's catalog (FORMAT.md): a root that names parts, or everything in one object. */
import { ByteWriter } from '@loki/bytes';
import type { ByteReader } from '@loki/bytes';
import { CatalogState } from './catalog-state.ts';
import type { DeadSegment } from './catalog-state.ts';
import { deadParts, deadPerPart, getDead, getPartRefs, putDead, putPartRefs } from './checkpoint-parts.ts';
import type { CheckpointFormat, CheckpointPart, PartRef } from './checkpoint-parts.ts';
import { checkpointPartPrefix, checkpointPrefix } from './keys.ts';
import {
  appendChecksum,
  decode,
  getSegment,
  getWriters,
  isOfKind,
  putSegment,
  putWriters,
} from './manifest.ts';
import { packed, partBytesMax, unpacked, wholeBytesMax } from './packed-body.ts';
import type { LiveSegment, PartIdentity, SegmentGroup } from './segment-groups.ts';

/** `LCC1`: everything in one object. The last byte is the version. */
const wholeMagic = 0x3143_434c;
/** `LCC2`: the root of a checkpoint in parts. */
const rootMagic = 0x3243_434c;
/** `LCP1`: a part. */
const partMagic = 0x3150_434c;
const listMax = 10_000_000;

/** The content of a part. */
interface PartContent {
  readonly live: Iterable<LiveSegment>;
  readonly dead: readonly DeadSegment[];
}

/** Checkpoints of one partition. Their parts are its groups of live segments, and its dead segments. */
export function partitionCheckpoints(partition: number): CheckpointFormat<CatalogState> {
  return {
    checkpointPrefix: checkpointPrefix(partition),
    partPrefix: checkpointPartPrefix(partition),
    emptyState: (like) => like?.emptyCopy() ?? new CatalogState(partition),
    replace: (state, content) => state.replaceBy(content),
    encodeWhole: (state) =>
      state.groups.length <= 1 && state.dead.size <= deadPerPart ? encodeCheckpoint(state) : undefined,
    encodeRoot,
    decode: decodeCheckpoint,
    decodePart: (bytes, key, state, identity) => {
      for (const dead of decodePart(bytes, key, state, identity)) state.dead.set(dead.key, dead);
    },
    parts: partsOf,
  };
}

function* partsOf({ groups, dead }: CatalogState): Iterable<CheckpointPart> {
  for (const group of groups) {
    yield {
      identity: group.identity,
      encode: () => encodePart({ live: group.segments, dead: [] }),
      stored: (identity) => (group.identity = identity),
    };
  }
  yield* deadParts(dead, (segments) => encodePart({ live: [], dead: segments }));
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
  putPartRefs(writer, parts);
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
  if (isOfKind(bytes, rootMagic)) {
    return decode(bytes, key, rootMagic, (reader) => {
      getHead(reader, state);
      return getPartRefs(reader);
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
    // The root says it, also of rows that are gone.
    const { newestNs } = state;
    getLive(body, state, identity);
    state.newestNs = newestNs;
    const dead = getDead(body);
    body.expectEnd();
    return dead;
  });
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
