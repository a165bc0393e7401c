/** Columns of whole numbers: timestamps, lengths, codes and runs. */
import { BytesError } from '@loki/bytes';
import type { ByteReader, ByteWriter } from '@loki/bytes';

/**
 * A column of whole numbers 0 .. 2^53-1, laid out for zstd: a mode byte, then either the one common value, or
 * byte planes (the low bytes of all values, then their second bytes, …), as many as the largest value needs.
 * The upper planes are nearly constant and compress to almost nothing; the lowest is noise and is stored raw.
 * The result is within 4 % of the entropy of exponential gaps, 7-10 % smaller than varints, at half their
 * cost.
 *
 * Mode: low 4 bits = planes (0: all values equal), high 4 bits = decimal scale: values are stored divided by
 * it, so that clients with microsecond or millisecond clocks do not pay for nanoseconds.
 */
const scales = [1, 1e3, 1e6, 1e9];
const planesMax = 7;

/** Writes values[from .. to) (nothing when empty; the reader must know the count). */
export function writeInts(
  writer: ByteWriter,
  values: Uint32Array | Float64Array,
  from = 0,
  to = values.length,
): void {
  if (from >= to) return;
  const first = values[from];
  let max = 0;
  let isUniform = true;
  for (let i = from; i < to; i++) {
    const value = values[i];
    if (value > max) max = value;
    if (value !== first) isUniform = false;
  }
  const scale = values instanceof Float64Array ? commonScale(values, from, to) : 0;
  const divisor = scales[scale];
  if (isUniform) {
    writer.u8(scale << 4);
    writer.uvarint(first / divisor);
    return;
  }
  let planes = 1;
  while (max / divisor >= 256 ** planes) planes++;
  writer.u8((scale << 4) | planes);
  const count = to - from;
  const at = writer.reserve(count * planes);
  const bytes = writer.view();
  if (divisor === 1 && planes <= 4) {
    for (let plane = 0; plane < planes; plane++) {
      const shift = plane * 8;
      let out = at + plane * count;
      for (let i = from; i < to; i++) bytes[out++] = values[i] >>> shift;
    }
    return;
  }
  for (let i = from, out = at; i < to; i++, out++) {
    const value = values[i] / divisor;
    const low = value >>> 0;
    bytes[out] = low;
    if (planes > 1) bytes[out + count] = low >>> 8;
    if (planes > 2) bytes[out + 2 * count] = low >>> 16;
    if (planes > 3) bytes[out + 3 * count] = low >>> 24;
    if (planes <= 4) continue;
    const high = (value - low) / 0x1_0000_0000;
    for (let plane = 4; plane < planes; plane++) bytes[out + plane * count] = high >>> ((plane - 4) * 8);
  }
}

/** Index of the largest scale that divides all values. For nanosecond clocks a few probes suffice. */
function commonScale(values: Float64Array, from: number, to: number): number {
  for (let scale = scales.length - 1; scale > 0; scale--) {
    const divisor = scales[scale];
    let i = from;
    while (i < to && values[i] % divisor === 0) i++;
    // Zeros are divisible by every scale: a column of zeros stays unscaled.
    if (i === to && values.subarray(from, to).some((value) => value !== 0)) return scale;
  }
  return 0;
}

/** Reads `count` numbers below 2^32. */
export function readUint32s(reader: ByteReader, count: number): Uint32Array {
  const mode = count === 0 ? 0 : reader.u8();
  const planes = mode & 15;
  if (planes > 4 || mode >> 4 !== 0) {
    const floats = readWide(reader, count, mode);
    const out = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      if (floats[i] > 0xffff_ffff) {
        throw new BytesError(`number exceeds 2^32 before position ${reader.position}`);
      }
      out[i] = floats[i];
    }
    return out;
  }
  if (count === 0) return new Uint32Array(0);
  if (planes === 0) {
    const value = reader.count(0xffff_ffff);
    return new Uint32Array(count).fill(value);
  }
  const bytes = reader.bytes(count * planes);
  const out = new Uint32Array(count);
  if (planes === 1) out.set(bytes);
  else if (planes === 2) for (let i = 0; i < count; i++) out[i] = bytes[i] | (bytes[i + count] << 8);
  else {
    for (let plane = 0; plane < planes; plane++) {
      const shift = plane * 8;
      const at = plane * count;
      for (let i = 0; i < count; i++) out[i] |= bytes[at + i] << shift;
    }
  }
  return out;
}

/** Reads `count` numbers below 2^53. */
export function readFloats(reader: ByteReader, count: number): Float64Array {
  if (count === 0) return new Float64Array(0);
  return readWide(reader, count, reader.u8());
}

function readWide(reader: ByteReader, count: number, mode: number): Float64Array {
  const planes = mode & 15;
  const divisor = scales[mode >> 4];
  if (divisor === undefined || planes > planesMax) {
    throw new BytesError(`number column has mode ${mode} before position ${reader.position}`);
  }
  if (planes === 0) {
    const value = reader.uvarint() * divisor;
    checkSafe(value, reader);
    return new Float64Array(count).fill(value);
  }
  const bytes = reader.bytes(count * planes);
  const out = new Float64Array(count);
  let max = 0;
  for (let i = 0; i < count; i++) {
    let low = bytes[i];
    if (planes > 1) low |= bytes[i + count] << 8;
    if (planes > 2) low |= bytes[i + 2 * count] << 16;
    if (planes > 3) low |= bytes[i + 3 * count] << 24;
    let value = low >>> 0;
    if (planes > 4) {
      let high = bytes[i + 4 * count];
      if (planes > 5) high |= bytes[i + 5 * count] << 8;
      if (planes > 6) high |= bytes[i + 6 * count] << 16;
      value += high * 0x1_0000_0000;
    }
    value *= divisor;
    if (value > max) max = value;
    out[i] = value;
  }
  checkSafe(max, reader);
  return out;
}

function checkSafe(value: number, reader: ByteReader): void {
  if (value > Number.MAX_SAFE_INTEGER) {
    throw new BytesError(`number exceeds 2^53 before position ${reader.position}`);
  }
}
