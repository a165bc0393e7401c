/** Changes to bytes: flips, numbers at the edges of their types, pieces removed, repeated and moved. */
import type { Prng } from '@loki/virtual';
import { inputBytesMax } from './target.ts';

/** Numbers at which decoders err: the ends of types, and lengths just beyond the input. */
const numbers = [
  0,
  1,
  2,
  7,
  8,
  15,
  16,
  31,
  32,
  63,
  64,
  100,
  127,
  128,
  255,
  256,
  1023,
  1024,
  4096,
  32_767,
  32_768,
  65_535,
  65_536,
  1_000_000,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 52,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
  2 ** 64 - 1,
];

export interface Material {
  readonly random: Prng;
  /** Other inputs, to take pieces of. */
  readonly others: readonly Buffer[];
  readonly words: readonly string[];
}

export function mutateBytes(input: Buffer, material: Material): Buffer {
  const { random } = material;
  let bytes = input;
  for (let left = random.pick([1, 1, 1, 2, 3, 6]); left > 0; left--) {
    bytes = bytesChanges[random.int(0, bytesChanges.length - 1)](bytes, material);
    if (bytes.length > inputBytesMax) bytes = bytes.subarray(0, inputBytesMax);
  }
  return bytes;
}

type Change = (bytes: Buffer, material: Material) => Buffer;

const bytesChanges: readonly Change[] = [
  flipBit,
  flipBit,
  setByte,
  setNumber,
  setNumber,
  setVarint,
  setVarint,
  removeRange,
  removeRange,
  repeatRange,
  moveRange,
  truncate,
  insertNoise,
  insertWord,
  insertOther,
];

function flipBit(bytes: Buffer, { random }: Material): Buffer {
  if (bytes.length === 0) return bytes;
  const out = Buffer.from(bytes);
  out[random.int(0, out.length - 1)] ^= 1 << random.int(0, 7);
  return out;
}

function setByte(bytes: Buffer, { random }: Material): Buffer {
  if (bytes.length === 0) return bytes;
  const out = Buffer.from(bytes);
  out[random.int(0, out.length - 1)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.int(0, 255)]);
  return out;
}

function setNumber(bytes: Buffer, { random }: Material): Buffer {
  const width = random.pick([2, 4, 8]);
  if (bytes.length < width) return bytes;
  const out = Buffer.from(bytes);
  const at = random.int(0, out.length - width);
  const value = BigInt.asUintN(width * 8, BigInt(random.chance(0.2) ? out.length : random.pick(numbers)));
  const isLittle = random.chance(0.5);
  if (width === 8 && isLittle) out.writeBigUInt64LE(value, at);
  else if (width === 8) out.writeBigUInt64BE(value, at);
  else if (isLittle) out.writeUIntLE(Number(value), at, width);
  else out.writeUIntBE(Number(value), at, width);
  return out;
}

function setVarint(bytes: Buffer, { random }: Material): Buffer {
  if (bytes.length === 0) return bytes;
  const at = random.int(0, bytes.length - 1);
  // Replaces bytes that read as one number, so that the following bytes keep their place.
  let end = at;
  while (end < bytes.length - 1 && bytes[end] >= 0x80 && end - at < 9) end++;
  return Buffer.concat([bytes.subarray(0, at), varintOf(random.pick(numbers)), bytes.subarray(end + 1)]);
}

function removeRange(bytes: Buffer, { random }: Material): Buffer {
  const [start, end] = rangeOf(bytes, random);
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
}

function repeatRange(bytes: Buffer, { random }: Material): Buffer {
  const [start, end] = rangeOf(bytes, random);
  if (end === start) return bytes;
  const most = Math.floor((inputBytesMax - bytes.length) / (end - start));
  const times = Math.min(Math.max(0, most), random.pick([1, 2, 10, 100, 10_000]));
  const piece = bytes.subarray(start, end);
  return Buffer.concat([
    bytes.subarray(0, end),
    ...Array.from({ length: times }, () => piece),
    bytes.subarray(end),
  ]);
}

function moveRange(bytes: Buffer, { random }: Material): Buffer {
  const [start, end] = rangeOf(bytes, random);
  const remainder = Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  const at = random.int(0, remainder.length);
  return Buffer.concat([remainder.subarray(0, at), bytes.subarray(start, end), remainder.subarray(at)]);
}

function truncate(bytes: Buffer, { random }: Material): Buffer {
  return bytes.subarray(0, random.int(0, bytes.length));
}

function insertNoise(bytes: Buffer, { random }: Material): Buffer {
  return inserted(bytes, random, Buffer.from(random.bytes(random.pick([1, 2, 4, 8, 64]))));
}

function insertWord(bytes: Buffer, { random, words }: Material): Buffer {
  return words.length === 0 ? bytes : inserted(bytes, random, Buffer.from(random.pick(words)));
}

function insertOther(bytes: Buffer, { random, others }: Material): Buffer {
  const other = random.pick(others);
  const [start, end] = rangeOf(other, random);
  return inserted(bytes, random, other.subarray(start, end));
}

function inserted(bytes: Buffer, random: Prng, piece: Buffer): Buffer {
  const at = random.int(0, bytes.length);
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}

/** Mostly short ranges, sometimes a large part. */
function rangeOf(bytes: Buffer, random: Prng): [start: number, end: number] {
  const start = random.int(0, Math.max(0, bytes.length - 1));
  const length = random.chance(0.7) ? random.int(1, 8) : random.int(1, Math.max(1, bytes.length - start));
  return [start, Math.min(bytes.length, start + length)];
}

/** LEB128. */
export function varintOf(value: number | bigint): Buffer {
  const out: number[] = [];
  let remainder = BigInt(value);
  for (; remainder >= 0x80n; remainder >>= 7n) out.push(Number(remainder & 0x7fn) | 0x80);
  out.push(Number(remainder));
  return Buffer.from(out);
}

export function edgeNumber(random: Prng): number {
  return random.pick(numbers);
}
