/** Reusable memory for decoding pushes. */
import { mib } from '@loki/model';
import { SnappyDecoder } from './decode/snappy-decoder.ts';
import { PushRows } from './rows/push-rows.ts';

/** The memory that one push is decoded into. */
export class PushScratch {
  readonly rows = new PushRows();
  readonly snappy = new SnappyDecoder();

  get bytes(): number {
    return this.rows.columnBytes + this.snappy.keptBytes;
  }
}

/**
 * Scratch memory that stays for the next pushes; more is freed after a burst. A new one takes 170 KB: when
 * four were kept, a process that was busy made one for each push, and the garbage collector took half of its
 * time.
 */
const keptBytesMax = 32 * mib;
const keptMax = 64;

/**
 * Scratch memory for pushes: as many as begin in one turn of the event loop, and wait for a verdict before
 * they are stored.
 */
export class PushScratches {
  readonly #free: PushScratch[] = [];
  #freeBytes = 0;
  #takenCount = 0;

  /** Pushes that hold a scratch. */
  get takenCount(): number {
    return this.#takenCount;
  }

  take(): PushScratch {
    this.#takenCount++;
    const scratch = this.#free.pop();
    if (!scratch) return new PushScratch();
    this.#freeBytes -= scratch.bytes;
    return scratch;
  }

  giveBack(scratch: PushScratch): void {
    this.#takenCount--;
    scratch.rows.release();
    const { bytes } = scratch;
    const isKept = this.#free.length < keptMax && this.#freeBytes + bytes <= keptBytesMax;
    if (isKept) {
      this.#free.push(scratch);
      this.#freeBytes += bytes;
    } else scratch.rows.free();
  }
}
