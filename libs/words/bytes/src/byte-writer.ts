/**
 * A growing buffer, little-endian. All `put` methods append; the buffer doubles when full, so n bytes cost
 * O(n).
 *
 * One writer may be reused: `clear()` keeps the memory. `view()` shares that memory, `take()` hands out a
 * copy.
 */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  /** @param capacity bytes to reserve at once; a good guess saves copies */
  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(Math.max(16, capacity));
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Room for `count` more bytes; returns where they start. For callers that fill `view` themselves. */
  reserve(count: number): number {
    const start = this.#length;
    this.#grow(count);
    this.#length += count;
    return start;
  }

  u8(value: number): void {
    this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  u16(value: number): void {
    this.#grow(2);
    this.#length = this.#bytes.writeUInt16LE(value & 0xffff, this.#length);
  }

  u32(value: number): void {
    this.#grow(4);
    this.#length = this.#bytes.writeUInt32LE(value >>> 0, this.#length);
  }

  /** A whole number below 2^53 in eight bytes. */
  u53(value: number): void {
    this.u32(value % 0x1_0000_0000);
    this.u32(Math.floor(value / 0x1_0000_0000));
  }

  u64(value: bigint): void {
    this.#grow(8);
    this.#length = this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), this.#length);
  }

  i64(value: bigint): void {
    this.#grow(8);
    this.#length = this.#bytes.writeBigInt64LE(BigInt.asIntN(64, value), this.#length);
  }

  f64(value: number): void {
    this.#grow(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  /** LEB128 of a whole number 0 .. 2^53-1: 7 bits a byte, low bits first, 1..8 bytes. */
  uvarint(value: number): void {
    this.#grow(8);
    this.#length = writeUvarint(this.#bytes, this.#length, value);
  }

  /** Zigzag, then LEB128: |value| < 2^52. */
  varint(value: number): void {
    this.uvarint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  /** Zigzag, then LEB128, of a signed 64-bit value, 1..10 bytes. */
  varint64(value: bigint): void {
    const signed = BigInt.asIntN(64, value);
    this.uvarint64(signed >= 0n ? signed << 1n : (-signed << 1n) - 1n);
  }

  /** LEB128 of an unsigned 64-bit value, 1..10 bytes. */
  uvarint64(value: bigint): void {
    let remaining = BigInt.asUintN(64, value);
    this.#grow(10);
    while (remaining > 0x7fn) {
      this.#bytes[this.#length++] = Number(remaining & 0x7fn) | 0x80;
      remaining >>= 7n;
    }
    this.#bytes[this.#length++] = Number(remaining);
  }

  bytes(bytes: Uint8Array): void {
    this.#grow(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A uvarint of the length, then the bytes. */
  sizedBytes(bytes: Uint8Array): void {
    this.uvarint(bytes.length);
    this.bytes(bytes);
  }

  /** UTF-8 without length. */
  text(text: string): void {
    this.#grow(text.length * 3);
    this.#length += this.#bytes.write(text, this.#length, 'utf8');
  }

  /** A uvarint of the UTF-8 length, then the UTF-8. */
  sizedText(text: string): void {
    this.uvarint(Buffer.byteLength(text, 'utf8'));
    this.text(text);
  }

  /** Overwrites four bytes written before (a length known only afterwards). */
  patchU32(at: number, value: number): void {
    if (at < 0 || at + 4 > this.#length) {
      throw new RangeError(`patch at ${at} is outside of ${this.#length} bytes`);
    }
    this.#bytes.writeUInt32LE(value >>> 0, at);
  }

  /** The written bytes, sharing the writer's memory: valid until the next write. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The written bytes, as memory of its own. */
  take(): Buffer {
    return Buffer.from(this.view());
  }

  #grow(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

/** LEB128 of 0 .. 2^53-1 at `at`; the caller has reserved 8 bytes. Returns the position after it. */
function writeUvarint(bytes: Uint8Array, at: number, value: number): number {
  while (value >= 0x1000_0000) {
    bytes[at++] = (value % 128) | 0x80;
    value = Math.floor(value / 128);
  }
  while (value > 0x7f) {
    bytes[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}
