/*
 * The WebAssembly that looks for a needle: 16 places of a text a step, by 128-bit instructions.
 *
 *   find(at, end, first, second): the least place of memory[at .. end) where the needle begins, or -1. `first`
 *   and `second` are places of two of its bytes, the rarest. Reads `overreach` bytes beyond the needle's last.
 *
 *     both = (load128(at + first) | folds[first]) == needle[first]     in each of 16 lanes
 *          & (load128(at + second) | folds[second]) == needle[second]
 *     for each place of `both`: the whole needle by 16 bytes, (text | folds) == needle in all lanes
 *
 * The needle stands at `needleAt`; at `foldsAt` stands 20 for each of its ASCII letters that is looked for in
 * both cases (and is lower case in the needle), else 0; both are filled up to whole 16 bytes with FF.
 */
import { wasm, wasmExports, wasmTypes } from './wasm-code.ts';

/** Bytes of a needle at most. */
export const needleBytesMax = 256;
export const needleAt = 0;
export const foldsAt = needleBytesMax;
/** The length of the needle, 32 bits. */
export const lengthAt = 2 * needleBytesMax;
export const textAt = lengthAt + 16;
/** Text that is searched at once: it stays in the first cache from its copy on. */
export const roomBytes = 24 << 10;
/** Bytes behind the text that the kernel may read and ignores. */
const overreach = 32;
const memoryPages = Math.ceil((textAt + roomBytes + needleBytesMax + overreach) / 65_536);

interface NeedleKernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly find: (at: number, end: number, first: number, second: number) => number;
}

const { get, set, constant } = wasm;

const op = {
  equalsZero: wasm.op(0x45),
  greaterOrEqualU: wasm.op(0x4f),
  add: wasm.op(0x6a),
  subtract: wasm.op(0x6b),
  and: wasm.op(0x71),
  trailingZeros: wasm.op(0x68),
  load8: (offset = 0) => wasm.memory(0x2d, offset),
  load128: (offset = 0) => wasm.simdMemory(0x00, offset),
  splat8: wasm.simd(0x0f),
  equalBytes: wasm.simd(0x23),
  and128: wasm.simd(0x4e),
  or128: wasm.simd(0x50),
  allTrue8: wasm.simd(0x63),
  bitmask8: wasm.simd(0x64),
  /** Of the void kind: ends with `end`. */
  if: [0x04, 0x40],
  end: [0x0b],
  return: [0x0f],
} as const;

/** Parameters, then locals. */
const [at, end, first, second] = [0, 1, 2, 3];
const [places, place, checked, length] = [4, 5, 6, 7];
const [firstByte, firstFold, secondByte, secondFold] = [8, 9, 10, 11];

export function needleKernel(): NeedleKernel {
  return wasmExports(memoryPages, [findFunction()]) as NeedleKernel;
}

function findFunction() {
  const splatOf = (offset: number, index: number, local: number) => [
    ...get(index),
    ...op.load8(offset),
    ...op.splat8,
    ...set(local),
  ];
  return {
    name: 'find',
    parameterCount: 4,
    hasResult: true,
    locals: [
      ...Array.from({ length: 4 }, () => wasmTypes.i32),
      ...Array.from({ length: 4 }, () => wasmTypes.v128),
    ],
    code: [
      ...constant(lengthAt),
      ...wasm.memory(0x28),
      ...set(length),
      ...splatOf(needleAt, first, firstByte),
      ...splatOf(foldsAt, first, firstFold),
      ...splatOf(needleAt, second, secondByte),
      ...splatOf(foldsAt, second, secondFold),
      ...wasm.until([...get(at), ...get(end), ...op.greaterOrEqualU], sixteenPlaces()),
      ...constant(-1),
    ],
  };
}

function sixteenPlaces(): number[] {
  const lanes = (index: number, byte: number, fold: number) => [
    ...get(at),
    ...get(index),
    ...op.add,
    ...op.load128(),
    ...get(fold),
    ...op.or128,
    ...get(byte),
    ...op.equalBytes,
  ];
  return [
    ...lanes(first, firstByte, firstFold),
    ...lanes(second, secondByte, secondFold),
    ...op.and128,
    ...op.bitmask8,
    ...set(places),
    ...wasm.until([...get(places), ...op.equalsZero], onePlace()),
    ...advance(at, 16),
  ];
}

/** Returns the lowest of `places` when the needle matches there; else removes it. */
function onePlace(): number[] {
  return [
    ...get(at),
    ...get(places),
    ...op.trailingZeros,
    ...op.add,
    ...set(place),
    // This place is beyond the end, and so are all further ones.
    ...get(place),
    ...get(end),
    ...op.greaterOrEqualU,
    ...op.if,
    ...constant(-1),
    ...op.return,
    ...op.end,
    ...constant(0),
    ...set(checked),
    ...wasm.until(
      [
        ...get(place),
        ...get(checked),
        ...op.add,
        ...op.load128(),
        ...get(checked),
        ...op.load128(foldsAt),
        ...op.or128,
        ...get(checked),
        ...op.load128(needleAt),
        ...op.equalBytes,
        ...op.allTrue8,
        ...op.equalsZero,
      ],
      [
        ...advance(checked, 16),
        ...get(checked),
        ...get(length),
        ...op.greaterOrEqualU,
        ...op.if,
        ...get(place),
        ...op.return,
        ...op.end,
      ],
    ),
    ...get(places),
    ...get(places),
    ...constant(1),
    ...op.subtract,
    ...op.and,
    ...set(places),
  ];
}

function advance(local: number, by: number): number[] {
  return [...get(local), ...constant(by), ...op.add, ...set(local)];
}
