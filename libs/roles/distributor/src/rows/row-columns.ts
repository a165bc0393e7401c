/** Columns of a push's rows: their growth, their weight in memory, and their way between threads. */

/** A growing set of columns starts with room for this many rows. */
export const rowsAtStart = 4096;

/** Bytes of a row's columns, and of its place in its batch. */
const bytesPerRow = 64;
/** Three array slots, and the header of a text. */
const bytesPerPair = 48;
/** Bytes of a new stream: labels, key in the cache, run in the batch. */
const bytesPerStream = 1024;

/** The columns of rows that another thread has decoded; exactly as long as the number of rows. */
export interface RowColumns {
  readonly bytes: Uint8Array;
  readonly extra: Uint8Array;
  readonly hasValidNames: boolean;
  readonly seconds: Float64Array<ArrayBuffer>;
  readonly nanos: Int32Array<ArrayBuffer>;
  readonly lineStart: Uint32Array<ArrayBuffer>;
  readonly lineEnd: Uint32Array<ArrayBuffer>;
  readonly inExtra: Uint8Array<ArrayBuffer>;
  readonly pairEnd: Uint32Array<ArrayBuffer>;
}

/** Bytes of decoded rows in memory, apart from their texts. */
export function weightOfRows(size: {
  readonly bytes: number;
  readonly rows: number;
  readonly pairs: number;
  readonly streams: number;
}): number {
  return size.bytes + size.rows * bytesPerRow + size.pairs * bytesPerPair + size.streams * bytesPerStream;
}

export function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, length);
}

type Column = Float64Array | Int32Array | Uint32Array | Uint8Array;

export function resized<T extends Column>(from: T, to: T, keep: number): T {
  to.set(from.subarray(0, keep));
  return to;
}
