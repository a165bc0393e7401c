/** Kafka's primitive types: big-endian numbers, strings and arrays with their length before them. */

export class KafkaBytesError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KafkaBytesError';
  }
}

/** Most items of an array in an answer; our requests never ask for more. */
const itemsMax = 1_000_000;

/** Reads an answer. A read beyond its end throws KafkaBytesError. */
export class KafkaBytesReader {
  readonly bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.bytes.length - this.#at;
  }

  i8(): number {
    return this.bytes.readInt8(this.#take(1));
  }

  i16(): number {
    return this.bytes.readInt16BE(this.#take(2));
  }

  i32(): number {
    return this.bytes.readInt32BE(this.#take(4));
  }

  u32(): number {
    return this.bytes.readUInt32BE(this.#take(4));
  }

  /** A 64-bit number; offsets and times stay far below 2^53. */
  i64(): number {
    return Number(this.bytes.readBigInt64BE(this.#take(8)));
  }

  /** Zig-zag varint of at most five bytes. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.#take(1)];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new KafkaBytesError('a varint has more than five bytes');
  }

  /** Skips a varint of at most ten bytes. */
  skipVarlong(): void {
    for (let i = 0; i < 10; i++) if (this.bytes[this.#take(1)] < 0x80) return;
    throw new KafkaBytesError('a varlong has more than ten bytes');
  }

  /** A text; undefined for null. */
  text(): string | undefined {
    const length = this.i16();
    if (length < 0) return undefined;
    const start = this.#take(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  /** A view of the bytes; empty for null. */
  view(length: number): Buffer {
    if (length <= 0) return this.bytes.subarray(0, 0);
    const start = this.#take(length);
    return this.bytes.subarray(start, start + length);
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** An array; [] for null. */
  array<T>(item: () => T): T[] {
    const count = this.i32();
    if (count > itemsMax) throw new KafkaBytesError(`an array of ${count} items`);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item());
    return items;
  }

  #take(length: number): number {
    const start = this.#at;
    if (length < 0 || start + length > this.bytes.length) {
      throw new KafkaBytesError(`cut short: ${length} bytes from ${start} of ${this.bytes.length}`);
    }
    this.#at = start + length;
    return start;
  }
}

/** Writes a request of known size: the caller computes the size first, so the buffer never grows. */
export class KafkaBytesWriter {
  readonly bytes: Buffer;
  #at = 0;

  constructor(sizeBytes: number) {
    this.bytes = Buffer.allocUnsafe(sizeBytes);
  }

  get position(): number {
    return this.#at;
  }

  i8(value: number): this {
    this.#at = this.bytes.writeInt8(value, this.#at);
    return this;
  }

  i16(value: number): this {
    this.#at = this.bytes.writeInt16BE(value, this.#at);
    return this;
  }

  i32(value: number): this {
    this.#at = this.bytes.writeInt32BE(value, this.#at);
    return this;
  }

  u32(value: number): this {
    this.#at = this.bytes.writeUInt32BE(value, this.#at);
    return this;
  }

  i64(value: number): this {
    this.#at = this.bytes.writeBigInt64BE(BigInt(value), this.#at);
    return this;
  }

  /** Zig-zag varint of a 32-bit number. */
  varint(value: number): this {
    let remaining = ((value << 1) ^ (value >> 31)) >>> 0;
    while (remaining >= 0x80) {
      this.bytes[this.#at++] = (remaining & 0x7f) | 0x80;
      remaining >>>= 7;
    }
    this.bytes[this.#at++] = remaining;
    return this;
  }

  /** Writes a text; undefined writes null. */
  text(value: string | undefined): this {
    if (value === undefined) return this.i16(-1);
    this.i16(Buffer.byteLength(value));
    this.#at += this.bytes.write(value, this.#at, 'utf8');
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  /** Reserves bytes that are written later; returns their position. */
  reserve(length: number): number {
    const start = this.#at;
    this.#at += length;
    return start;
  }
}

export function varintBytes(value: number): number {
  const remaining = ((value << 1) ^ (value >> 31)) >>> 0;
  return remaining < 0x80
    ? 1
    : remaining < 0x4000
      ? 2
      : remaining < 0x20_0000
        ? 3
        : remaining < 0x1000_0000
          ? 4
          : 5;
}
