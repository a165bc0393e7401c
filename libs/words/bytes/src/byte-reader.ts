/** Reads binary formats from bytes that may be hostile: records, segments, manifests and log files. */

/** Thrown for bytes that break their format: cut short, or with an impossible length. */
export class BytesError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BytesError';
  }
}

/**
 * Reads what ByteWriter wrote, little-endian. Each read checks its bounds and throws BytesError beyond them,
 * so a cut or hostile buffer can never yield bytes of another. Byte results are views of the buffer, not
 * copies.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  /** Reads bytes[start .. end). */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    if (start < 0 || end > bytes.length || start > end) {
      throw new BytesError(`range ${start}..${end} is outside of ${bytes.length} bytes`);
    }
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = start;
    this.#end = end;
  }

  /** Position in the bytes given to the constructor. */
  get position(): number {
    return this.#at;
  }

  /** Bytes that are not read yet. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    return this.#bytes[this.#take(1)];
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  /** A whole number below 2^53 in eight bytes. */
  u53(): number {
    const low = this.u32();
    const high = this.u32();
    if (high > 0x1f_ffff) throw new BytesError(`number exceeds 2^53 before position ${this.#at}`);
    return high * 0x1_0000_0000 + low;
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8));
  }

  i64(): bigint {
    return this.#bytes.readBigInt64LE(this.#take(8));
  }

  f64(): number {
    return this.#bytes.readDoubleLE(this.#take(8));
  }

  /** LEB128, 0 .. 2^53-1. */
  uvarint(): number {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at;
    let value = 0;
    let scale = 1;
    for (;;) {
      if (at >= end) throw new BytesError(`number cut short at ${at}`);
      const byte = bytes[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
      if (scale > 2 ** 49) throw new BytesError(`number too long at ${at}`);
    }
    if (value > Number.MAX_SAFE_INTEGER) throw new BytesError(`number exceeds 2^53 at ${at}`);
    this.#at = at;
    return value;
  }

  /** Zigzag LEB128 of |value| < 2^52. */
  varint(): number {
    const value = this.uvarint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** LEB128 of an unsigned 64-bit value. */
  uvarint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (value >> 64n !== 0n) break;
        return value;
      }
    }
    throw new BytesError(`number exceeds 2^64 at ${this.#at}`);
  }

  /** Zigzag LEB128 of a signed 64-bit value. */
  varint64(): bigint {
    const value = this.uvarint64();
    return (value & 1n) === 0n ? value >> 1n : -((value + 1n) >> 1n);
  }

  /**
   * Reads a length that is used to read or to allocate. It is at most `max`, so that hostile bytes cannot ask
   * for more memory than their own size justifies.
   */
  count(max: number): number {
    const value = this.uvarint();
    if (value > max) throw new BytesError(`count ${value} exceeds ${max} at ${this.#at}`);
    return value;
  }

  /** A view of the next `count` bytes. */
  bytes(count: number): Buffer {
    const start = this.#take(count);
    return this.#bytes.subarray(start, start + count);
  }

  sizedBytes(): Buffer {
    return this.bytes(this.uvarint());
  }

  /** The next `count` bytes as UTF-8; bad bytes become U+FFFD. */
  text(count: number): string {
    const start = this.#take(count);
    return this.#bytes.toString('utf8', start, start + count);
  }

  sizedText(): string {
    return this.text(this.uvarint());
  }

  skip(count: number): void {
    this.#take(count);
  }

  /**
   * `out.length` uvarints in a row, the fast way to read a column.
   * A value that `out` cannot hold is refused for Uint32Array; Float64Array holds all.
   */
  uvarints(out: Uint32Array | Float64Array): void {
    const bytes = this.#bytes;
    const end = this.#end;
    const isUnbounded = out instanceof Float64Array;
    let at = this.#at;
    for (let i = 0; i < out.length; i++) {
      const first = at < end ? bytes[at] : 0x80;
      if (first < 0x80) {
        out[i] = first;
        at++;
        continue;
      }
      this.#at = at;
      const value = this.uvarint();
      if (!isUnbounded && value > 0xffff_ffff) throw new BytesError(`number exceeds 2^32 at ${at}`);
      out[i] = value;
      at = this.#at;
    }
    this.#at = at;
  }

  /** Throws unless everything was read: trailing bytes mean that the format was misread. */
  expectEnd(): void {
    if (this.#at !== this.#end) throw new BytesError(`${this.#end - this.#at} bytes left at ${this.#at}`);
  }

  #take(count: number): number {
    const start = this.#at;
    // Written so that NaN and negative counts fail too.
    if (!(count >= 0 && count <= this.#end - start)) {
      throw new BytesError(`${count} bytes wanted at ${start}, ${this.#end - start} left`);
    }
    this.#at = start + count;
    return start;
  }
}
