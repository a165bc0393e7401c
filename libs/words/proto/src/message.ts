import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** A generated message type. Bytes fields of what it decodes are views into what it was given. */
export interface MessageType<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(bytes: Uint8Array): T;
}

/** The message's bytes. */
export function encodeMessage<T>(type: MessageType<T>, message: T): Buffer {
  const bytes = type.encode(message, new BinaryWriter()).finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
