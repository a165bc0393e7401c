// For tests: the kernel of search filters in plain JavaScript, gram by gram.
import {
  bitmapBits,
  foldByte,
  gramHash,
  isWord,
  placeMask,
  windowGrams,
  wordPlace,
} from '../filter/filter-grams.ts';
import { chunksOf } from '../filter/filter-kernel.ts';
import type { Kernel } from '../filter/filter-kernel.ts';

/** Zero bytes behind a text. */
const padding = 64;

export class NaiveKernel implements Kernel {
  #bitmap = new Uint8Array(bitmapBits / 8);

  markText(text: Uint8Array): void {
    for (const chunk of chunksOf(text)) this.#markChunk(chunk);
  }

  mark(place: number): void {
    this.#bitmap[(place & placeMask) >>> 3] |= 1 << (place & 7);
  }

  collect(): Uint8Array {
    const bitmap = this.#bitmap;
    this.#bitmap = new Uint8Array(bitmapBits / 8);
    return bitmap;
  }

  #markChunk(chunk: Uint8Array): void {
    const bytes = Buffer.alloc(chunk.length + padding);
    chunk.forEach((byte, i) => (bytes[i] = foldByte(byte)));
    const starts = Math.ceil(chunk.length / 16) * 16;
    for (let at = 0; at < starts; at++) {
      let least = gramHash(bytes, at);
      for (let i = at + 1; i < at + windowGrams; i++) least = Math.min(least, gramHash(bytes, i));
      this.mark(least);
      this.mark(isWord(bytes, at) ? wordPlace(bytes.readUInt32LE(at)) : 0);
    }
  }
}
