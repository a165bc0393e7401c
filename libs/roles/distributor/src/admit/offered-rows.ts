/**
 * The valid rows of one stream of a push, in the form that admission reads: step *limit* of a written line.
 */
import type { Discards } from '../rows/discards.ts';
import type { PushRows } from '../rows/push-rows.ts';
import type { DiscardReason } from '../streams/discard.ts';
import type { OfferedRows } from './refused-rows.ts';

/**
 * The valid rows of one stream, from all places where the push names the stream: some clients name it anew
 * for each line. One object serves all streams of a push.
 */
export class OfferedStreamRows implements OfferedRows {
  readonly #rows: PushRows;
  readonly #discards: Discards;
  #first = 0;
  #policy = '';
  /** Row numbers; undefined: all rows from `#first` on. */
  #rowNumbers: number[] | undefined;
  count = 0;
  refusedCount = 0;
  /** Line and metadata bytes of the refused rows. */
  refusedBytes = 0;

  constructor(rows: PushRows, discards: Discards) {
    this.#rows = rows;
    this.#discards = discards;
  }

  /** Moves to the stream at `places` of the push; false when the stream has no valid row. */
  start(places: readonly number[]): boolean {
    const rows = this.#rows;
    this.#first = rows.streamFirstRow[places[0]];
    this.#policy = rows.streams[places[0]].policy;
    this.#rowNumbers = undefined;
    this.refusedCount = 0;
    this.refusedBytes = 0;
    let all = 0;
    let refused = 0;
    for (const place of places) {
      const to = rows.streamRowEnd(place);
      const from = rows.streamFirstRow[place];
      all += to - from;
      for (let row = from; row < to; row++) refused += rows.isRefused[row];
    }
    this.count = all - refused;
    if (this.count > 0 && (refused > 0 || places.length > 1)) this.#rowNumbers = this.#validRows(places);
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
    const bytes = this.#rows.rowBytes(row);
    this.#rows.isRefused[row] = 1;
    this.refusedCount++;
    this.refusedBytes += bytes;
    this.#discards.add(reason, 1, bytes, this.#policy);
  }

  #validRows(places: readonly number[]): number[] {
    const rows = this.#rows;
    const valid: number[] = [];
    for (const place of places) {
      const to = rows.streamRowEnd(place);
      for (let row = rows.streamFirstRow[place]; row < to; row++) {
        if (rows.isRefused[row] === 0) valid.push(row);
      }
    }
    return valid;
  }

  #row(index: number): number {
    return this.#rowNumbers === undefined ? this.#first + index : this.#rowNumbers[index];
  }
}

/** The places of each stream in a push; streams in the order of their first places. */
export function placesOfStreams({ streams }: PushRows): Iterable<readonly number[]> {
  if (streams.length === 1) return [[0]];
  const byText = new Map<string, number[]>();
  for (let place = 0; place < streams.length; place++) {
    const { text } = streams[place];
    const places = byText.get(text);
    if (places) places.push(place);
    else byText.set(text, [place]);
  }
  return byText.values();
}
