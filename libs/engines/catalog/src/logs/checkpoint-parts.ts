/** Elements that all checkpoints in parts share (FORMAT.md): names of parts, and dead segments. */
import type { ByteReader, ByteWriter } from '@loki/bytes';
import type { DeadSegment } from './catalog-state.ts';
import { getList } from './manifest.ts';
import type { PartIdentity } from './segment-groups.ts';

/** Bytes of a SHA-256 that name a part. */
export const hashBytes = 16;
/** Dead segments in one part: some 300 KiB. */
export const deadPerPart = 4_096;
const partsMax = 1_000_000;
const listMax = 10_000_000;

/** One part of a checkpoint, as the root names it. */
export interface PartRef extends PartIdentity {
  /** Of the checkpoint that wrote it. */
  readonly number: number;
}

/** A part that a checkpoint needs. */
export interface CheckpointPart {
  /** Of the same content as it was last encoded or read; undefined: it has changed since. */
  readonly identity: PartIdentity | undefined;
  encode(): Buffer;
  /** Called once the part is in the store. */
  stored(identity: PartIdentity): void;
}

/** How the checkpoints of a log stand in the store. */
export interface CheckpointFormat<State extends { readonly number: number }> {
  /** Keys of roots are `<prefix><number, 20 digits>`. */
  readonly checkpointPrefix: string;
  /** Keys of parts are `<prefix><number, 20 digits>-<hash>`. */
  readonly partPrefix: string;
  /** @param like the copy shares its names with this state, for `replace` */
  emptyState(like?: State): State;
  /** Puts the content of another state, an `emptyState` like it, in the place of its own. */
  replace(state: State, content: State): void;
  /** Everything in one object; undefined: it is too large. */
  encodeWhole(state: State): Buffer | undefined;
  encodeRoot(state: State, parts: readonly PartRef[]): Buffer;
  /**
   * Fills an empty state from a checkpoint, without the contents of its parts.
   *
   * @returns its parts, in order; undefined: everything was in the object (version 1)
   * @throws LokiError `corrupt`, with `key`
   */
  decode(bytes: Uint8Array, key: string, state: State): readonly PartRef[] | undefined;
  /** Adds the content of a part. @throws LokiError `corrupt`, with `key` */
  decodePart(bytes: Uint8Array, key: string, state: State, identity: PartIdentity): void;
  /** The parts of a state that does not change meanwhile; undefined: a turn of the event loop is due. */
  parts(state: State): Iterable<CheckpointPart | undefined>;
}

export function putPartRefs(writer: ByteWriter, parts: readonly PartRef[]): void {
  writer.uvarint(parts.length);
  for (const { number, hash, sizeBytes } of parts) {
    writer.uvarint(number);
    writer.bytes(Buffer.from(hash, 'hex'));
    writer.uvarint(sizeBytes);
  }
}

export function getPartRefs(reader: ByteReader): PartRef[] {
  const read = (): PartRef => {
    const number = reader.uvarint();
    const hash = reader.bytes(hashBytes).toString('hex');
    return { number, hash, sizeBytes: reader.uvarint() };
  };
  return getList(reader, read, partsMax);
}

/** Dead segments in parts, in their order. */
export function* deadParts(
  dead: ReadonlyMap<string, DeadSegment>,
  encode: (segments: readonly DeadSegment[]) => Buffer,
): Iterable<CheckpointPart> {
  const all = [...dead.values()];
  for (let i = 0; i < all.length; i += deadPerPart) {
    const segments = all.slice(i, i + deadPerPart);
    yield { identity: undefined, encode: () => encode(segments), stored: () => undefined };
  }
}

export function putDead(writer: ByteWriter, segments: readonly DeadSegment[]): void {
  writer.uvarint(segments.length);
  for (const { key, droppedMs } of segments) {
    writer.sizedText(key);
    writer.uvarint(droppedMs);
  }
}

export function getDead(reader: ByteReader): DeadSegment[] {
  return getList(reader, () => ({ key: reader.sizedText(), droppedMs: reader.uvarint() }), listMax);
}
