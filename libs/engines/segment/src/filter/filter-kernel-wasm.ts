/*
 * The WebAssembly that marks the grams of lines in a search filter: 16 places of a text a step, by 128-bit
 * instructions.
 *
 *   fold(at, end): lower case in place over memory[at .. end), and at `letters` bytes further on FF for each
 *   letter, 0 for each other byte
 *
 *   mark(at, end): marks[place] = FF for the least gram of each window, and for each word gram, that starts in
 *   memory[at .. end). Reads `overreach` bytes further. A place without a word gram marks place 0.
 *
 *     v[j] = load128(at + j)                   lane l: the four bytes at at + j + 4 l
 *     sum  = v[j] * first + v[j + 1] * second  so that hashes need no shuffling of bytes
 *     h[j] = (sum ^ sum >>> 15) * last         the grams that start there
 *     h[4 + j]: lanes of h[j] moved by one, the last from the next step's h[j]
 *     least[j] = min(h[j] … h[j + 5])          by three minima of two
 *
 *   collect(to): the marks as bits at memory[to ..), and no mark is left
 */
import { wasm, wasmExports, wasmTypes } from '@loki/bytes';
import {
  bitmapBits,
  firstFactor,
  lastFactor,
  mixShift,
  placeMask,
  secondFactor,
  wordFactor,
  wordShift,
} from './filter-grams.ts';

/** Bytes that `mark` may read behind the text; they must be zero. */
export const overreach = 64;
/** Most text per call: text and marks fit the L2 cache. */
export const chunkBytes = 128 << 10;

/** Places in memory; marks stand at 0. */
export const bitmapAt = bitmapBits;
export const textAt = bitmapAt + bitmapBits / 8;
/** Offset from a text byte to its letter mark. */
const lettersOffset = chunkBytes + overreach;
const memoryPages = Math.ceil((textAt + 2 * lettersOffset) / 65_536);

interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly fold: (at: number, end: number) => void;
  readonly mark: (at: number, end: number) => void;
  readonly collect: (to: number) => void;
}

const { get, set, tee, constant } = wasm;

const op = {
  greaterOrEqualU: wasm.op(0x4f),
  add: wasm.op(0x6a),
  shiftRightU: wasm.op(0x76),
  store8: wasm.memory(0x3a),
  store16: wasm.memory(0x3b),
  load128: (offset: number) => wasm.simdMemory(0x00, offset),
  store128: (offset: number) => wasm.simdMemory(0x0b, offset),
  /** Lanes 1..3 of the first, then lane 0 of the second. */
  moveLane: wasm.simd(0x0d, ...Array.from({ length: 16 }, (_, i) => i + 4)),
  moveTwoLanes: wasm.simd(0x0d, ...Array.from({ length: 16 }, (_, i) => i + 8)),
  splat8: wasm.simd(0x0f),
  splat32: wasm.simd(0x11),
  lane: (index: number) => wasm.simd(0x1b, index),
  lessBytesU: wasm.simd(0x26),
  equal32: wasm.simd(0x37),
  and: wasm.simd(0x4e),
  or: wasm.simd(0x50),
  xor: wasm.simd(0x51),
  bitmask8: wasm.simd(0x64),
  subtractBytes: wasm.simd(0x71),
  shiftRight32U: wasm.simd(0xad),
  add32: wasm.simd(0xae),
  multiply32: wasm.simd(0xb5),
  least32U: wasm.simd(0xb7),
} as const;

/** Parameters of `fold` and `mark`. */
const at = 0;
const end = 1;

export function kernelExports(): KernelExports {
  return wasmExports(memoryPages, [foldFunction(), markFunction(), collectFunction()]) as KernelExports;
}

function foldFunction() {
  const [text, firstUpper, firstLower, letterCount, caseBit] = [2, 3, 4, 5, 6];
  const splat = (value: number, local: number) => [...constant(value), ...op.splat8, ...set(local)];
  const isLetter = (first: number) => [
    ...get(text),
    ...get(first),
    ...op.subtractBytes,
    ...get(letterCount),
    ...op.lessBytesU,
  ];
  const lower = [...isLetter(firstUpper), ...get(caseBit), ...op.and, ...get(text), ...op.or];
  return {
    name: 'fold',
    parameterCount: 2,
    hasResult: false,
    locals: Array.from({ length: 5 }, () => wasmTypes.v128),
    code: [
      ...splat(0x41, firstUpper),
      ...splat(0x61, firstLower),
      ...splat(26, letterCount),
      ...splat(0x20, caseBit),
      ...wasm.until(
        [...get(at), ...get(end), ...op.greaterOrEqualU],
        [
          ...get(at),
          ...op.load128(0),
          ...set(text),
          ...get(at),
          ...lower,
          ...tee(text),
          ...op.store128(0),
          ...get(at),
          ...isLetter(firstLower),
          ...op.store128(lettersOffset),
          ...advance(16),
        ],
      ),
    ],
  };
}

/** Locals of `mark`: factors, four bytes at each place, hashes of this step and the next, minima. */
const factors = { first: 2, second: 3, last: 4, word: 5, mask: 6, ones: 7 } as const;
const v = (j: number) => 8 + j;
const next = (j: number) => 13 + j;
const h = (j: number) => 17 + j;
const least = (j: number) => 26 + j;
const places = 34;
const markLocals = places - end;

function markFunction() {
  const splat = (value: number, local: number) => [...constant(value), ...op.splat32, ...set(local)];
  return {
    name: 'mark',
    parameterCount: 2,
    hasResult: false,
    locals: Array.from({ length: markLocals }, () => wasmTypes.v128),
    code: [
      ...splat(firstFactor | 0, factors.first),
      ...splat(secondFactor | 0, factors.second),
      ...splat(lastFactor | 0, factors.last),
      ...splat(wordFactor, factors.word),
      ...splat(placeMask, factors.mask),
      ...splat(-1, factors.ones),
      ...hashes(),
      ...wasm.until([...get(at), ...get(end), ...op.greaterOrEqualU], markStep()),
    ],
  };
}

/** Code that sets `next` to the hashes of the 16 grams at `at`, and `v` to their bytes. */
function hashes(): number[] {
  const code: number[] = [];
  for (let j = 0; j <= 4; j++) code.push(...get(at), ...op.load128(j), ...set(v(j)));
  for (let j = 0; j < 4; j++) {
    code.push(...get(v(j)), ...get(factors.first), ...op.multiply32);
    code.push(...get(v(j + 1)), ...get(factors.second), ...op.multiply32, ...op.add32, ...tee(next(j)));
    code.push(...get(next(j)), ...constant(mixShift), ...op.shiftRight32U, ...op.xor);
    code.push(...get(factors.last), ...op.multiply32, ...set(next(j)));
  }
  return code;
}

function markStep(): number[] {
  const code: number[] = [];
  for (let j = 0; j < 4; j++) {
    code.push(...wordPlaces(j), ...markLanes());
    code.push(...get(next(j)), ...set(h(j)));
  }
  code.push(...advance(16), ...hashes());
  for (let j = 0; j < 4; j++) code.push(...get(h(j)), ...get(next(j)), ...op.moveLane, ...set(h(4 + j)));
  code.push(...get(h(0)), ...get(next(0)), ...op.moveTwoLanes, ...set(h(8)));
  for (let j = 0; j < 8; j++) code.push(...leastOf(h(j), h(j + 1)), ...set(least(j)));
  for (let j = 0; j < 4; j++) {
    code.push(...leastOf(least(j), least(j + 2)), ...get(least(j + 4)), ...op.least32U);
    code.push(...get(factors.mask), ...op.and, ...markLanes());
  }
  return code;
}

/** Places of the word grams at at + j + 4 l; 0 where a byte is no letter. */
function wordPlaces(j: number): number[] {
  return [
    ...get(v(j)),
    ...get(factors.word),
    ...op.multiply32,
    ...constant(wordShift),
    ...op.shiftRight32U,
    ...get(at),
    ...op.load128(lettersOffset + j),
    ...get(factors.ones),
    ...op.equal32,
    ...op.and,
  ];
}

function leastOf(a: number, b: number): number[] {
  return [...get(a), ...get(b), ...op.least32U];
}

/** Code that marks the four places on the stack. */
function markLanes(): number[] {
  const code = [...set(places)];
  for (let lane = 0; lane < 4; lane++) {
    code.push(...get(places), ...op.lane(lane), ...constant(0xff), ...op.store8);
  }
  return code;
}

function collectFunction() {
  const [to, from, marks, zeros] = [0, 1, 2, 3];
  return {
    name: 'collect',
    parameterCount: 1,
    hasResult: false,
    locals: [wasmTypes.i32, wasmTypes.v128, wasmTypes.v128],
    code: wasm.until(
      [...get(from), ...constant(bitmapBits), ...op.greaterOrEqualU],
      [
        ...get(from),
        ...op.load128(0),
        ...set(marks),
        ...get(to),
        ...get(marks),
        ...op.bitmask8,
        ...op.store16,
        ...get(from),
        ...get(zeros),
        ...op.store128(0),
        ...get(from),
        ...constant(16),
        ...op.add,
        ...set(from),
        ...get(to),
        ...constant(2),
        ...op.add,
        ...set(to),
      ],
    ),
  };
}

function advance(count: number): number[] {
  return [...get(at), ...constant(count), ...op.add, ...set(at)];
}
