/** Reusable memory for decoding pushes. */
import { SnappyDecoder } from './decode/snappy-decoder.ts';
import { PushRows } from './rows/push-rows.ts';

/** The memory that one push is decoded into. */
export class PushScratch {
  readonly rows = new PushRows();
  readonly snappy = new SnappyDecoder();
}

/** Scratch memory that stays for the next pushes; more is freed after a burst. */
const keptMax = 4;

/**
 * Scratch memory for pushes: one serves all of them, except those that wait for a verdict before they are
 * stored.
 */
export class PushScratches {
  readonly #free: PushScratch[] = [];
  #takenCount = 0;

  /** Pushes that hold a scratch. */
  get takenCount(): number {
    return this.#takenCount;
  }

  take(): PushScratch {
    this.#takenCount++;
    return this.#free.pop() ?? new PushScratch();
  }

  giveBack(scratch: PushScratch): void {
    this.#takenCount--;
    scratch.rows.release();
    if (this.#free.length < keptMax) this.#free.push(scratch);
  }
}
