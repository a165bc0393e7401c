/** Decompresses snappy blocks into a reused buffer: step *decode* of a written line. */
import { LokiError, mib } from '@loki/model';

/** Error of Go's snappy package for every kind of damage, and for bodies that are not snappy. */
const corruptText = 'snappy: corrupt input';

/** A buffer larger than this is freed after use, so that one giant push does not keep its memory. */
const keptBytesMax = 8 * mib;

/** A block expands at most this many times: long copies of one byte. */
const expansionMax = 32;

/** The length that a block claims; 0 for a damaged one, or one that could not expand that far. */
export function claimedBytes(input: Uint8Array): number {
  const claim = lengthAt(input);
  return claim && claim.length <= (input.length - claim.at) * expansionMax ? claim.length : 0;
}

/** Room to copy in steps of 8 bytes beyond the end of a chunk. */
const slackBytes = 64;

/**
 * Decodes snappy's block format into a reused buffer: twice as fast as the native binding, which allocates
 * each time. The result is valid until the next call of `decode`.
 *
 * The claimed length is checked against `bytesMax`, and against the expansion that the input allows, before
 * anything is allocated.
 */
export class SnappyDecoder {
  #buffer = Buffer.alloc(0);

  /** Memory that stays for the next call. */
  get keptBytes(): number {
    return this.#buffer.length;
  }

  /** @throws LokiError 400 for corrupt input, 413 when the claimed length exceeds `bytesMax` */
  decode(input: Uint8Array, bytesMax: number): Buffer {
    const claim = lengthAt(input);
    if (!claim) throw corrupt();
    const { length, at } = claim;
    // A copy of 64 bytes takes at least two: no valid block expands further.
    if (length > (input.length - at) * expansionMax) throw corrupt();
    if (length > bytesMax) {
      throw new LokiError(
        'bodyTooLarge',
        `request body too large: ${length} bytes decompressed, limit ${bytesMax}`,
      );
    }
    const output = this.#room(length);
    if (inflate(input, at, output, length) !== length) throw corrupt();
    return output.subarray(0, length);
  }

  #room(length: number): Buffer {
    const needed = length + slackBytes;
    if (needed > keptBytesMax) return Buffer.allocUnsafeSlow(needed);
    if (this.#buffer.length < needed) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.min(keptBytesMax, needed * 2));
    }
    return this.#buffer;
  }
}

/** The claimed length, and the position of the data. */
function lengthAt(input: Uint8Array): { readonly length: number; readonly at: number } | undefined {
  let length = 0;
  let scale = 1;
  for (let at = 0; at < input.length && at < 5;) {
    const byte = input[at++];
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) return length > 0xffff_ffff ? undefined : { length, at };
    scale *= 128;
  }
  return undefined;
}

/**
 * Copies go in steps of 4 bytes and may write beyond their end, where the next bytes or the slack follow: a
 * third of the cost of byte steps. So may reads of literals, where the input has bytes left.
 *
 * @returns bytes written, or -1 for corrupt input. `output` has `slackBytes` of room beyond `length`.
 */
function inflate(input: Uint8Array, start: number, output: Uint8Array, length: number): number {
  const inputEnd = input.length;
  const source = new DataView(input.buffer, input.byteOffset, inputEnd);
  const target = new DataView(output.buffer, output.byteOffset, output.length);
  let at = start;
  let out = 0;
  while (at < inputEnd) {
    const tag = input[at++];
    let count: number;
    let offset: number;
    if ((tag & 3) === 0) {
      count = (tag >>> 2) + 1;
      if (count > 60) {
        const extra = count - 60;
        if (at + extra > inputEnd) return -1;
        count = input[at];
        if (extra > 1) count += input[at + 1] * 0x100;
        if (extra > 2) count += input[at + 2] * 0x1_0000;
        if (extra > 3) count += input[at + 3] * 0x100_0000;
        count++;
        at += extra;
      }
      if (count > inputEnd - at || count > length - out) return -1;
      if (count <= 64 && at + 64 <= inputEnd) {
        for (let i = 0; i < count; i += 4) target.setUint32(out + i, source.getUint32(at + i, true), true);
      } else {
        output.set(input.subarray(at, at + count), out);
      }
      at += count;
      out += count;
      continue;
    }
    if ((tag & 3) === 1) {
      if (at >= inputEnd) return -1;
      count = ((tag >>> 2) & 7) + 4;
      offset = ((tag & 0xe0) << 3) | input[at++];
    } else if ((tag & 3) === 2) {
      if (at + 2 > inputEnd) return -1;
      count = (tag >>> 2) + 1;
      offset = input[at] | (input[at + 1] << 8);
      at += 2;
    } else {
      if (at + 4 > inputEnd) return -1;
      count = (tag >>> 2) + 1;
      offset = (input[at] | (input[at + 1] << 8) | (input[at + 2] << 16) | (input[at + 3] << 24)) >>> 0;
      at += 4;
    }
    if (offset === 0 || offset > out || count > length - out) return -1;
    const from = out - offset;
    if (offset >= 4) {
      for (let i = 0; i < count; i += 4) target.setUint32(out + i, target.getUint32(from + i, true), true);
    } else {
      // The copy overlaps itself within a step: a repeated pattern, byte by byte.
      for (let i = 0; i < count; i++) output[out + i] = output[from + i];
    }
    out += count;
  }
  return out;
}

function corrupt(): LokiError {
  return new LokiError('badRequest', corruptText);
}
