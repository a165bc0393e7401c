/** The states of a tenant's streams, in columns: step *limit* of a written line. */
import { stateFieldCount, StreamState } from './stream-state.ts';

/** Rows of a page. A tenant with fewer streams has one shorter page. */
const pageRows = 1024;
const firstRows = 4;
const indexMin = 8;
/** Places of the index for each stream, at least: a search ends after some two steps. */
const indexShare = 2;
const bytesPerField = 8;
const bytesPerPlace = 4;

/**
 * The streams of one tenant by their hashes: a row of numbers each, and no object, some 125 bytes in all.
 *
 * A stream is identified by 53 bits of its hash, as its counter does: of a million streams, two have the same
 * hash with a probability of 0.005 %, and would share a rate and a newest row.
 */
export class StreamStates {
  #size = 0;
  readonly #pages: Float64Array<ArrayBuffer>[] = [];
  /** Open addressing by hash: row + 1; 0: free. */
  #index = new Int32Array(indexMin);
  /** Odd; clients choose the texts of streams, and must not know which of them collide. */
  readonly #multiplier: number;
  readonly #view = new StreamState();

  /** @param seed a random number of 32 bits */
  constructor(seed: number) {
    this.#multiplier = seed | 1;
  }

  get size(): number {
    return this.#size;
  }

  /** Memory of rows and index. */
  get bytes(): number {
    const fields = this.#pages.reduce((sum, page) => sum + page.length, 0);
    return fields * bytesPerField + this.#index.length * bytesPerPlace;
  }

  has(hash: number): boolean {
    return this.#index[this.#place(hash)] !== 0;
  }

  /** undefined: there is no such stream. The view serves until the next call. */
  get(hash: number): StreamState | undefined {
    const row = this.#index[this.#place(hash)] - 1;
    return row < 0 ? undefined : this.#stateOf(row);
  }

  /** Adds a stream that is absent. The view serves until the next call. */
  add(hash: number, nowMs: number): StreamState {
    const row = this.#size;
    if ((row + 1) * indexShare > this.#index.length) this.#indexAll(this.#index.length * 2);
    const page = Math.floor(row / pageRows);
    const needed = (row - page * pageRows + 1) * stateFieldCount;
    if (page === this.#pages.length) {
      const rows = page === 0 ? firstRows : pageRows;
      this.#pages.push(new Float64Array(rows * stateFieldCount));
    } else if (needed > this.#pages[page].length) {
      const longer = new Float64Array(this.#pages[page].length * 2);
      longer.set(this.#pages[page]);
      this.#pages[page] = longer;
    }
    this.#index[this.#place(hash)] = row + 1;
    this.#size++;
    return this.#stateOf(row).start(hash, nowMs);
  }

  /** The hashes of all streams. All get this time as that of their last report. */
  reportAll(nowMs: number): Float64Array {
    const hashes = new Float64Array(this.#size);
    for (let row = 0; row < this.#size; row++) {
      const state = this.#stateOf(row);
      hashes[row] = state.hash;
      state.reportedMs = nowMs;
    }
    return hashes;
  }

  /** Forgets streams that were seen before a time, and gives their memory back. */
  forgetBefore(seenMs: number): void {
    let active = 0;
    for (let row = 0; row < this.#size; row++) {
      if (this.#stateOf(row).seenMs < seenMs) continue;
      if (active < row) this.#move(row, active);
      active++;
    }
    if (active === this.#size) return;
    this.#size = active;
    this.#pages.length = Math.ceil(active / pageRows);
    let length = indexMin;
    while (length < active * indexShare) length *= 2;
    this.#indexAll(length);
  }

  #stateOf(row: number): StreamState {
    const page = Math.floor(row / pageRows);
    return this.#view.moveTo(this.#pages[page], (row - page * pageRows) * stateFieldCount);
  }

  #move(from: number, to: number): void {
    const [fromPage, toPage] = [Math.floor(from / pageRows), Math.floor(to / pageRows)];
    const at = (from - fromPage * pageRows) * stateFieldCount;
    const fields = this.#pages[fromPage].subarray(at, at + stateFieldCount);
    this.#pages[toPage].set(fields, (to - toPage * pageRows) * stateFieldCount);
  }

  /** Makes the index anew: 20 ms for a million streams. */
  #indexAll(length: number): void {
    this.#index = new Int32Array(length);
    for (let row = 0; row < this.#size; row++) this.#index[this.#place(this.#stateOf(row).hash)] = row + 1;
  }

  /** The place of a hash in the index; a free one when the stream is absent. */
  #place(hash: number): number {
    const mask = this.#index.length - 1;
    let place = Math.imul(hash, this.#multiplier) >>> Math.clz32(mask);
    for (;;) {
      const row = this.#index[place] - 1;
      if (row < 0 || this.#stateOf(row).hash === hash) return place;
      place = (place + 1) & mask;
    }
  }
}
