/**
 * Reads and writes large messages in slices: protobuf's generated code handles a message at once, even with
 * many parts. The bytes are the same.
 */
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import type { MessageType } from './message.ts';

/** Bytes between two pauses: they take some tenths of a millisecond. */
const bytesPerSlice = 32 * 1024;

type Work<T> = Generator<undefined, T, undefined>;

/** Reads one field's value. */
type Field = readonly [tag: number, read: (reader: BinaryReader) => void];

/**
 * Reads the given fields of a message; other fields are skipped.
 *
 * @throws as the generated code for bytes that are no message
 */
export function* readSliced(bytes: Uint8Array, fieldList: readonly Field[]): Work<void> {
  const fields = new Map(fieldList);
  const reader = new BinaryReader(bytes);
  let pausedAt = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const read = fields.get(tag);
    if (read) read(reader);
    else {
      // Stops at an end-group or zero tag, as the generated code does.
      if ((tag & 7) === 4 || tag === 0) return;
      reader.skip(tag & 7);
    }
    if (reader.pos - pausedAt < bytesPerSlice) continue;
    pausedAt = reader.pos;
    yield;
  }
}

/** Encodes the messages of a repeated field, several per piece. */
export function* repeatedPieces<Item, T>(
  tag: number,
  type: MessageType<T>,
  items: readonly Item[],
  messageOf: (item: Item) => T,
): Work<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < items.length;) {
    const writer = new BinaryWriter();
    for (let bytes = 0; at < items.length && bytes < bytesPerSlice; at++) {
      const message = type.encode(messageOf(items[at]), new BinaryWriter()).finish();
      writer.uint32(tag).bytes(message);
      bytes += message.length;
    }
    pieces.push(writer.finish());
    yield;
  }
  return pieces;
}

/** A bytes field as pieces: the header, then `bytes` itself, without a copy. An empty field has no piece. */
export function bytesPieces(tag: number, bytes: Uint8Array): Uint8Array[] {
  return bytes.length === 0 ? [] : nestedPieces(tag, [bytes]);
}

/** Wraps the pieces of one message as a field of another. */
export function nestedPieces(tag: number, pieces: readonly Uint8Array[]): Uint8Array[] {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return [new BinaryWriter().uint32(tag).uint32(length).finish(), ...pieces];
}
