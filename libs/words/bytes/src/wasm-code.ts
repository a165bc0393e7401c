/*
 * Functions that assemble a WebAssembly module opcode by opcode, so that neither a compiler nor a binary file
 * is needed: each function gives the bytes of one instruction or of one part of a module.
 */

/** The part of the WebAssembly API in use: TypeScript declares it for browsers only. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

/** WebAssembly's codes of value types, for the locals of a function. */
export const wasmTypes = { i32: 0x7f, i64: 0x7e, v128: 0x7b } as const;

/** A function of a module: exported under its name; it takes and returns 32-bit integers. */
interface WasmFunction {
  readonly name: string;
  readonly parameterCount: number;
  readonly hasResult: boolean;
  /** Types of the locals after the parameters. */
  readonly locals: readonly number[];
  readonly code: readonly number[];
}

/**
 * Assembles and instantiates a module with its own exported memory and the given functions.
 *
 * @returns the exports of the instance
 */
export function wasmExports(memoryPages: number, functions: readonly WasmFunction[]): unknown {
  const bytes = Uint8Array.from([
    // \0asm, version 1
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, vector(functions.map(typeOf))),
    ...section(3, vector(functions.map((_, i) => unsigned(i)))),
    ...section(5, [1, 0, ...unsigned(memoryPages)]),
    ...section(7, vector([[...name('memory'), 2, 0], ...functions.map((f, i) => [...name(f.name), 0, i])])),
    ...section(10, vector(functions.map(bodyOf))),
  ]);
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
}

/** Instructions of WebAssembly, as bytes. */
export const wasm = {
  get: (local: number) => [0x20, ...unsigned(local)],
  set: (local: number) => [0x21, ...unsigned(local)],
  tee: (local: number) => [0x22, ...unsigned(local)],
  constant: (value: number) => [0x41, ...signed(value)],
  /** An instruction without immediate operands. */
  op: (code: number) => [code],
  /** A load or store; `offset` is added to the address. */
  memory: (code: number, offset = 0) => [code, 0, ...unsigned(offset)],
  /** A 128-bit instruction with its immediate operands. */
  simd: (code: number, ...operands: number[]) => [0xfd, ...unsigned(code), ...operands],
  simdMemory: (code: number, offset = 0) => [0xfd, ...unsigned(code), 0, ...unsigned(offset)],
  /** Repeats `step` until `isDone` is true. */
  until: (isDone: readonly number[], step: readonly number[]) => [
    0x02,
    0x40,
    0x03,
    0x40,
    ...isDone,
    0x0d,
    1,
    ...step,
    0x0c,
    0,
    0x0b,
    0x0b,
  ],
} as const;

function typeOf({ parameterCount, hasResult }: WasmFunction): number[] {
  const results = hasResult ? [1, wasmTypes.i32] : [0];
  return [0x60, parameterCount, ...Array.from({ length: parameterCount }, () => wasmTypes.i32), ...results];
}

function bodyOf({ locals, code }: WasmFunction): number[] {
  const body = [...vector(locals.map((type) => [1, type])), ...code, 0x0b];
  return [...unsigned(body.length), ...body];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)];
}

/** LEB128 of a number that is not negative. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Signed LEB128 of 32 bits: bit 6 of the last byte is the sign. */
function signed(value: number): number[] {
  const isLast = value >= -0x40 && value < 0x40;
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}
