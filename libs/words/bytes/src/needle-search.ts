/** Searches a column of lines for one text: step *fetch, scan* of a query. */
import {
  foldsAt,
  lengthAt,
  needleAt,
  needleBytesMax,
  needleKernel,
  roomBytes,
  textAt,
} from './needle-kernel-wasm.ts';

/** Bytes of logs from the most to the least frequent; all others are rarer. */
const frequentBytes = Buffer.from(' e0t1"a2o-in3s:r45,=6l7cd8/9mpu.hgfbvk_wyxT{}IZzjq[]ER()');
const ranks = new Uint8Array(256).fill(frequentBytes.length);
frequentBytes.forEach((byte, rank) => (ranks[byte] = rank));

const kernel = needleKernel();
const memory = new Uint8Array(kernel.memory.buffer);
const lengthInMemory = new DataView(memory.buffer, lengthAt, 4);

/** The needle in the kernel's memory, and the text that is searched. A thread runs one search at a time. */
let current: Uint8Array | undefined;
let text: Uint8Array = memory.subarray(0, 0);
/** The part of the text that is in the kernel's memory. */
let copyStart = 0;
let copyEnd = 0;

/**
 * Searches texts for one needle, byte for byte or with ASCII letters in both cases. It reads 9.6 GB/s for any
 * needle, including the copy into the kernel's memory. Buffer.indexOf reads 2.4-17 GB/s, depending on how
 * rare the needle's first byte is; V8's case-insensitive expressions read 2.5 (needle-search.bench.ts).
 */
export class NeedleSearch {
  readonly #needle: Uint8Array;
  readonly #folds: Uint8Array;
  readonly #length: number;
  /** Places of the two rarest bytes. */
  readonly #first: number;
  readonly #second: number;

  /**
   * Creates a search; undefined when the needle is empty or too long for the kernel. With `fold`, letters of
   * the needle are lower case.
   */
  static for(needle: Uint8Array, fold: boolean): NeedleSearch | undefined {
    return needle.length > 0 && needle.length <= needleBytesMax ? new NeedleSearch(needle, fold) : undefined;
  }

  private constructor(needle: Uint8Array, fold: boolean) {
    this.#length = needle.length;
    const paddedLength = Math.ceil(needle.length / 16) * 16;
    this.#needle = new Uint8Array(paddedLength).fill(0xff);
    this.#needle.set(needle);
    this.#folds = new Uint8Array(paddedLength).fill(0xff);
    needle.forEach((byte, i) => (this.#folds[i] = fold && byte >= 0x61 && byte <= 0x7a ? 0x20 : 0));
    [this.#first, this.#second] = placesOfRarest(needle);
  }

  /** Starts to search a text. The text must not change until the search ends. */
  start(newText: Uint8Array): void {
    text = newText;
    copyStart = copyEnd = 0;
    if (current === this.#needle) return;
    current = this.#needle;
    memory.set(this.#needle, needleAt);
    memory.set(this.#folds, foldsAt);
    lengthInMemory.setUint32(0, this.#length, true);
  }

  /** The next place of the needle at `from` or later; -1: no further place. */
  next(from: number): number {
    if (current !== this.#needle) throw new Error('another search has begun');
    const last = text.length - this.#length;
    for (let at = from; at <= last; at = copyEnd - this.#length + 1) {
      if (at < copyStart || at + this.#length > copyEnd) {
        copyStart = at;
        copyEnd = Math.min(text.length, at + roomBytes);
        memory.set(text.subarray(copyStart, copyEnd), textAt);
      }
      const shift = textAt - copyStart;
      const hit = kernel.find(at + shift, copyEnd - this.#length + 1 + shift, this.#first, this.#second);
      if (hit >= 0) return hit - shift;
    }
    return -1;
  }
}

function placesOfRarest(needle: Uint8Array): [number, number] {
  const places = Array.from(needle.keys()).sort((a, b) => ranks[needle[b]] - ranks[needle[a]]);
  return [places[0], places[1] ?? places[0]];
}
