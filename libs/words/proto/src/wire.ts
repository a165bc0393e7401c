/** The protobuf wire format as a cursor, with Go's error texts: pushes and OTLP logs are read with it. */

/**
 * Bytes that are not a message of the expected type. The text is Go's, which clients know.
 */
export class ProtoError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtoError';
  }
}

export const wireVarint = 0;
export const wireFixed64 = 1;
export const wireBytes = 2;
export const wireFixed32 = 5;

/**
 * Deepest nesting of groups inside unknown fields; deeper input is refused, because skipping it keeps state
 * for each level.
 */
const groupDepthMax = 100;

/**
 * A position in bytes of the protobuf wire format. Every read is checked against an `end` that the caller
 * passes, so nested messages need no object of their own. Nothing is allocated but errors.
 */
export class WireCursor {
  bytes: Uint8Array;
  at: number;
  #view: DataView;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** An unsigned varint as a double: exact below 2^53, which all lengths, tags and times in seconds are. */
  uvarint(end: number): number {
    const bytes = this.bytes;
    let at = this.at;
    if (at >= end) throw new ProtoError('unexpected EOF');
    let byte = bytes[at++];
    if (byte < 0x80) {
      this.at = at;
      return byte;
    }
    let value = byte & 0x7f;
    let scale = 128;
    for (let i = 1; i < 10; i++) {
      if (at >= end) throw new ProtoError('unexpected EOF');
      byte = bytes[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.at = at;
        return value;
      }
      scale *= 128;
    }
    throw new ProtoError('proto: integer overflow');
  }

  /** A varint of a signed 64-bit field; negative values take ten bytes on the wire. */
  int64(end: number): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.at >= end) throw new ProtoError('unexpected EOF');
      const byte = this.bytes[this.at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new ProtoError('proto: integer overflow');
  }

  /** The same as a double. */
  int64Number(end: number): number {
    const start = this.at;
    const value = this.uvarint(end);
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    this.at = start;
    return Number(this.int64(end));
  }

  /** The signed 32-bit value of a varint field: wider values keep their low 32 bits, as in Go. */
  int32(end: number): number {
    return Number(BigInt.asIntN(32, this.int64(end)));
  }

  /** A length prefix; leaves `at` on the first byte and returns the end of the field. */
  lengthEnd(end: number): number {
    const length = this.uvarint(end);
    if (length >= 2 ** 63) throw new ProtoError('proto: negative length found during unmarshaling');
    if (length > end - this.at) throw new ProtoError('unexpected EOF');
    return this.at + length;
  }

  fixed64(end: number): bigint {
    this.#need(8, end);
    const value = this.#view.getBigUint64(this.at, true);
    this.at += 8;
    return value;
  }

  double(end: number): number {
    this.#need(8, end);
    const value = this.#view.getFloat64(this.at, true);
    this.at += 8;
    return value;
  }

  fixed32(end: number): number {
    this.#need(4, end);
    const value = this.#view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }

  /** A tag, checked: field number above 0, no stray end of a group. */
  tag(end: number, message: string): number {
    const tag = this.uvarint(end);
    const wireType = tag % 8;
    if (wireType === 4) throw new ProtoError(`proto: ${message}: wiretype end group for non-group`);
    if (tag < 8) throw new ProtoError(`proto: ${message}: illegal tag 0 (wire type ${tag})`);
    return tag;
  }

  /**
   * A tag as OpenTelemetry's decoder takes it: it checks the field number only.
   *
   * @param start of the message
   */
  otlpTag(end: number, start: number): number {
    const tag = this.uvarint(end);
    if (tag < 8) throw new ProtoError(`proto: Link: illegal field=0 (tag=${tag}, pos=${this.at - start})`);
    return tag;
  }

  /** Passes over the field whose tag was just read. */
  skip(wireType: number, end: number): void {
    let depth = 0;
    let type = wireType;
    for (;;) {
      if (type === wireVarint) this.uvarint(end);
      else if (type === wireFixed64) this.#skipBytes(8, end);
      else if (type === wireBytes) this.at = this.lengthEnd(end);
      else if (type === 3) depth++;
      else if (type === 4) {
        if (depth === 0) throw new ProtoError('proto: unexpected end of group');
        depth--;
      } else if (type === wireFixed32) this.#skipBytes(4, end);
      else throw new ProtoError(`proto: illegal wireType ${type}`);
      if (depth === 0) return;
      if (depth > groupDepthMax) throw new ProtoError('proto: groups nest too deep');
      type = this.uvarint(end) % 8;
    }
  }

  #skipBytes(count: number, end: number): void {
    this.#need(count, end);
    this.at += count;
  }

  #need(count: number, end: number): void {
    if (end - this.at < count) throw new ProtoError('unexpected EOF');
  }
}

/** Refuses a field that came with another wire type than its definition. */
export function wrongWireType(wireType: number, field: string): ProtoError {
  return new ProtoError(`proto: wrong wireType = ${wireType} for field ${field}`);
}
