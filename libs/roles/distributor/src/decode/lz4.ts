/** Decompresses LZ4 frames within a bound: step *decode* of a written line. */
import { LokiError } from '@loki/model';

const frameMagic = 0x184d2204;

/**
 * Decodes an LZ4 frame (or several in a row), never writing more than `bytesMax`. The native binding has no
 * such bound, and LZ4 expands up to 255 times. Checksums are passed over: HTTP bodies have their own
 * transport checks.
 *
 * @throws LokiError 400 for corrupt input, 413 beyond `bytesMax`
 */
export function lz4DecodeFrame(input: Buffer, bytesMax: number): Buffer {
  const out = new Lz4Output(Math.min(bytesMax, Math.max(1024, input.length * 4)), bytesMax);
  let at = 0;
  if (input.length === 0) throw corrupt();
  while (at < input.length) {
    need(input, at, 4);
    const magic = input.readUInt32LE(at);
    if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) {
      // A skippable frame: four bytes of length, then content of other programs.
      at += 8 + input.readUInt32LE(skippableLength(input, at));
      continue;
    }
    if (magic !== frameMagic) throw new LokiError('badRequest', 'lz4: bad magic number');
    need(input, at, 7);
    at = decodeBlocks(input, at + 4, out);
  }
  return out.take();
}

function skippableLength(input: Buffer, at: number): number {
  need(input, at, 8);
  return at + 4;
}

/** Decodes one frame after its magic number; returns its end. */
function decodeBlocks(input: Buffer, start: number, out: Lz4Output): number {
  const flags = input[start];
  if (flags >>> 6 !== 1) throw corrupt();
  const hasBlockChecksum = (flags & 0x10) !== 0;
  const linked = (flags & 0x20) === 0;
  let at = start + 2 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0) + 1;
  for (;;) {
    need(input, at, 4);
    const word = input.readUInt32LE(at);
    at += 4;
    if (word === 0) break;
    const size = word & 0x7fff_ffff;
    need(input, at, size);
    if (word >>> 31 === 1) out.literal(input, at, size);
    else decodeBlock(input, at, at + size, out, linked ? 0 : out.length);
    at += size + (hasBlockChecksum ? 4 : 0);
  }
  if ((flags & 0x04) !== 0) at += 4;
  if (at > input.length) throw corrupt();
  return at;
}

/** @param windowStart matches do not reach before this position of the output */
function decodeBlock(input: Buffer, start: number, end: number, out: Lz4Output, windowStart: number): void {
  let at = start;
  while (at < end) {
    const token = input[at++];
    let literal = token >>> 4;
    if (literal === 15) {
      let byte: number;
      do {
        if (at >= end) throw corrupt();
        byte = input[at++];
        literal += byte;
      } while (byte === 255);
    }
    if (literal > end - at) throw corrupt();
    out.literal(input, at, literal);
    at += literal;
    if (at === end) return;
    if (end - at < 2) throw corrupt();
    const offset = input[at] | (input[at + 1] << 8);
    at += 2;
    let match = (token & 15) + 4;
    if ((token & 15) === 15) {
      let byte: number;
      do {
        if (at >= end) throw corrupt();
        byte = input[at++];
        match += byte;
      } while (byte === 255);
    }
    out.match(offset, match, windowStart);
  }
}

class Lz4Output {
  #bytes: Buffer;
  #length = 0;
  readonly #bytesMax: number;

  constructor(capacity: number, bytesMax: number) {
    this.#bytes = Buffer.allocUnsafe(capacity);
    this.#bytesMax = bytesMax;
  }

  get length(): number {
    return this.#length;
  }

  literal(input: Buffer, at: number, count: number): void {
    this.#grow(count);
    input.copy(this.#bytes, this.#length, at, at + count);
    this.#length += count;
  }

  match(offset: number, count: number, windowStart: number): void {
    if (offset === 0 || offset > this.#length - windowStart) throw corrupt();
    this.#grow(count);
    const bytes = this.#bytes;
    let from = this.#length - offset;
    const end = this.#length + count;
    for (let to = this.#length; to < end; to++) bytes[to] = bytes[from++];
    this.#length = end;
  }

  take(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(count: number): void {
    const needed = this.#length + count;
    if (needed > this.#bytesMax) {
      throw new LokiError(
        'bodyTooLarge',
        `request body too large: more than ${this.#bytesMax} bytes decompressed`,
      );
    }
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.min(this.#bytesMax, Math.max(needed, this.#bytes.length * 2)));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

function need(input: Buffer, at: number, count: number): void {
  if (count > input.length - at) throw corrupt();
}

function corrupt(): LokiError {
  return new LokiError('badRequest', 'lz4: corrupt input');
}
