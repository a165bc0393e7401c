/*
 * The WebAssembly of CRC32C, put together opcode by opcode, so that neither a compiler nor a binary file is
 * needed:
 *
 *   update(at, end, crc): crc' over memory[at .. end);
 *   the tables of slicing by 16 stand at memory[0 .. 16 KiB)
 *
 *     while (at + 16 <= end) {
 *       first = load64(at) ^ crc; second = load64(at + 8)
 *       crc = table[15][byte 0 of first] ^ … ^ table[8][byte 7 of first]
 *         ^ table[7][byte 0 of second] ^ … ^ table[0][byte 7 of second]
 *       at += 16
 *     }
 *     while (at < end) { crc = (crc >>> 8) ^ table[0][(crc ^ load8(at)) & 255]; at += 1 }
 *     return crc
 */

const op = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  end: [0x0b],
  continueLoop: [0x0c, 0],
  leaveIf: [0x0d, 1],
  greaterU: [0x4b],
  greaterOrEqualU: [0x4f],
  add: [0x6a],
  and: [0x71],
  xor: [0x73],
  shiftLeft: [0x74],
  shiftRightU: [0x76],
  xor64: [0x85],
  shiftRight64U: [0x88],
  wrap64: [0xa7],
  extend64U: [0xad],
} as const;

/** Parameters, then locals. */
const at = 0;
const end = 1;
const crc = 2;
const first = 3;
const second = 4;

const i32 = 0x7f;
const i64 = 0x7e;
/** Of 64 KiB: the tables, and room for 240 KiB of data. */
const memoryPages = 4;

/** \0asm, version 1. */
const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** A WebAssembly module that exports `memory` and `update`. */
export function crcModule(): Uint8Array<ArrayBuffer> {
  const code = [1, 2, i64, ...sixteenByteSteps(), ...singleByteSteps(), ...get(crc), ...op.end];
  return Uint8Array.from([
    ...header,
    ...section(1, [1, 0x60, 3, i32, i32, i32, 1, i32]), // type: (i32, i32, i32) -> i32
    ...section(3, [1, 0]), // one function of that type
    ...section(5, [1, 0, memoryPages]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('update'), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

function sixteenByteSteps(): number[] {
  const loadFirst = [...get(at), ...load64(0), ...get(crc), ...op.extend64U, ...op.xor64, ...set(first)];
  const loadSecond = [...get(at), ...load64(8), ...set(second)];
  const step = [...loadFirst, ...loadSecond, ...sixteenLookups(), ...set(crc), ...advance(16)];
  return whileLoop([...get(at), ...constant(16), ...op.add, ...get(end), ...op.greaterU], step);
}

function sixteenLookups(): number[] {
  const code: number[] = [];
  for (let i = 0; i < 16; i++) {
    const shift = (i % 8) * 8;
    code.push(...get(i < 8 ? first : second));
    if (shift > 0) code.push(0x42, ...signed(shift), ...op.shiftRight64U);
    code.push(...op.wrap64, ...lookup(15 - i));
    if (i > 0) code.push(...op.xor);
  }
  return code;
}

function singleByteSteps(): number[] {
  const shifted = [...get(crc), ...constant(8), ...op.shiftRightU];
  const looked = [...get(crc), ...get(at), ...load8(), ...op.xor, ...lookup(0)];
  const step = [...shifted, ...looked, ...op.xor, ...set(crc), ...advance(1)];
  return whileLoop([...get(at), ...get(end), ...op.greaterOrEqualU], step);
}

/** The word of table k for the low byte of the value at hand. */
function lookup(k: number): number[] {
  return [...constant(255), ...op.and, ...constant(2), ...op.shiftLeft, 0x28, 2, ...unsigned(k * 1024)];
}

function advance(count: number): number[] {
  return [...get(at), ...constant(count), ...op.add, ...set(at)];
}

/** Repeats `step` until `isDone` is true. */
function whileLoop(isDone: number[], step: number[]): number[] {
  return [
    ...op.block,
    ...op.loop,
    ...isDone,
    ...op.leaveIf,
    ...step,
    ...op.continueLoop,
    ...op.end,
    ...op.end,
  ];
}

function get(local: number): number[] {
  return [0x20, local];
}

function set(local: number): number[] {
  return [0x21, local];
}

function constant(value: number): number[] {
  return [0x41, ...signed(value)];
}

function load64(offset: number): number[] {
  return [0x29, 0, offset];
}

function load8(): number[] {
  return [0x2d, 0, 0];
}

function section(id: number, content: number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)];
}

/** LEB128 of a small number that is not negative. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Signed LEB128 of the same: bit 6 of the last byte is the sign, so it must be clear. */
function signed(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(value >>> 7)];
}
