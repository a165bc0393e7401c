/** Reusable memory for decoding pushes. */
import { SnappyDecoder } from './decode/snappy-decoder.ts';
import { PushRows } from './rows/push-rows.ts';

/** The memory that one push is decoded into. */
export class PushScratch {
  readonly rows = new PushRows();
  readonly snappy = new SnappyDecoder();
}

/** Kept for the next pushes; a burst's others are given back. */
const keptMax = 4;

/**
 * Scratch memory for pushes: one serves all of them, but for those that wait for an answer before they are
 * stored.
 */
export class PushScratches {
  readonly #free: PushScratch[] = [];
  #takenCount = 0;

  /** Pushes that have theirs. */
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
