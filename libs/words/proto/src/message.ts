/** Generated protobuf messages as bytes. */
import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** A generated message type. Bytes fields of a decoded message are views into its input. */
export interface MessageType<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(bytes: Uint8Array): T;
}

/** Encodes a message as protobuf; the Buffer is a view of the writer's memory, without a copy. */
export function encodeMessage<T>(type: MessageType<T>, message: T): Buffer {
  const bytes = type.encode(message, new BinaryWriter()).finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
