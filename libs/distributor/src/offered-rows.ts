import type { DiscardReason } from './discard.ts';
import type { Discards } from './discards.ts';
import type { PushRows } from './push-rows.ts';
import type { OfferedRows } from './stream-admission.ts';

/** The valid rows of one stream of a push, as admission sees them. One object serves all streams of a push. */
export class OfferedStreamRows implements OfferedRows {
  readonly #rows: PushRows;
  readonly #discards: Discards;
  #first = 0;
  #policy = '';
  /** Row numbers, when some rows of the stream were refused before; undefined: all rows from `#first` on. */
  #chosen: number[] | undefined;
  count = 0;
  refusedCount = 0;
  /** Line and metadata bytes of the refused rows. */
  refusedBytes = 0;

  constructor(rows: PushRows, discards: Discards) {
    this.#rows = rows;
    this.#discards = discards;
  }

  /** Turns to stream `index`; false when it has no valid row. */
  start(index: number): boolean {
    const rows = this.#rows;
    const from = rows.streamFirstRow[index];
    const to = rows.streamRowEnd(index);
    this.#first = from;
    this.#policy = rows.streams[index].policy;
    this.#chosen = undefined;
    this.refusedCount = 0;
    this.refusedBytes = 0;
    let refused = 0;
    for (let row = from; row < to; row++) refused += rows.isRefused[row];
    this.count = to - from - refused;
    if (this.count > 0 && refused > 0) {
      this.#chosen = [];
      for (let row = from; row < to; row++) if (rows.isRefused[row] === 0) this.#chosen.push(row);
    }
    return this.count > 0;
  }

  seconds(index: number): number {
    return this.#rows.seconds[this.#row(index)];
  }

  nanos(index: number): number {
    return this.#rows.nanos[this.#row(index)];
  }

  lineBytes(index: number): number {
    const row = this.#row(index);
    return this.#rows.lineEnd[row] - this.#rows.lineStart[row];
  }

  refuse(index: number, reason: DiscardReason): void {
    const row = this.#row(index);
    this.#rows.isRefused[row] = 1;
    const bytes = this.#rows.rowBytes(row);
    this.refusedCount++;
    this.refusedBytes += bytes;
    this.#discards.add(reason, 1, bytes, this.#policy);
  }

  #row(index: number): number {
    return this.#chosen === undefined ? this.#first + index : this.#chosen[index];
  }
}
