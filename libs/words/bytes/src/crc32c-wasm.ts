/** Generates the WebAssembly module that computes CRC32C (crc32c.ts). */
import { wasm, wasmExports, wasmTypes } from './wasm-code.ts';

/*
 * The WebAssembly of CRC32C:
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
  greaterU: wasm.op(0x4b),
  greaterOrEqualU: wasm.op(0x4f),
  add: wasm.op(0x6a),
  and: wasm.op(0x71),
  xor: wasm.op(0x73),
  shiftLeft: wasm.op(0x74),
  shiftRightU: wasm.op(0x76),
  xor64: wasm.op(0x85),
  shiftRight64U: wasm.op(0x88),
  wrap64: wasm.op(0xa7),
  extend64U: wasm.op(0xad),
  load8: wasm.memory(0x2d),
} as const;

/** Parameters, then locals. */
const at = 0;
const end = 1;
const crc = 2;
const first = 3;
const second = 4;

/** Of 64 KiB: the tables, and room for 240 KiB of data. */
const memoryPages = 4;

const { get, set, constant } = wasm;

interface CrcExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** The CRC of memory[from .. to), continued. */
  readonly update: (from: number, to: number, crc: number) => number;
}

export function crcExports(): CrcExports {
  const { i64 } = wasmTypes;
  const code = [...sixteenByteSteps(), ...singleByteSteps(), ...get(crc)];
  return wasmExports(memoryPages, [
    { name: 'update', parameterCount: 3, hasResult: true, locals: [i64, i64], code },
  ]) as CrcExports;
}

function sixteenByteSteps(): number[] {
  const loadFirst = [...get(at), ...load64(0), ...get(crc), ...op.extend64U, ...op.xor64, ...set(first)];
  const loadSecond = [...get(at), ...load64(8), ...set(second)];
  const step = [...loadFirst, ...loadSecond, ...sixteenLookups(), ...set(crc), ...advance(16)];
  return wasm.until([...get(at), ...constant(16), ...op.add, ...get(end), ...op.greaterU], step);
}

function sixteenLookups(): number[] {
  const code: number[] = [];
  for (let i = 0; i < 16; i++) {
    const shift = (i % 8) * 8;
    code.push(...get(i < 8 ? first : second));
    if (shift > 0) code.push(...constant64(shift), ...op.shiftRight64U);
    code.push(...op.wrap64, ...lookup(15 - i));
    if (i > 0) code.push(...op.xor);
  }
  return code;
}

function singleByteSteps(): number[] {
  const shifted = [...get(crc), ...constant(8), ...op.shiftRightU];
  const entry = [...get(crc), ...get(at), ...op.load8, ...op.xor, ...lookup(0)];
  const step = [...shifted, ...entry, ...op.xor, ...set(crc), ...advance(1)];
  return wasm.until([...get(at), ...get(end), ...op.greaterOrEqualU], step);
}

/** Code that loads the entry of table k for the low byte of the value on the stack. */
function lookup(k: number): number[] {
  const address = [...constant(255), ...op.and, ...constant(2), ...op.shiftLeft];
  return [...address, ...wasm.memory(0x28, k * 1024)];
}

function advance(count: number): number[] {
  return [...get(at), ...constant(count), ...op.add, ...set(at)];
}

function load64(offset: number): number[] {
  return wasm.memory(0x29, offset);
}

/** The same encoding as for 32 bits. */
function constant64(value: number): number[] {
  return [0x42, ...constant(value).slice(1)];
}
