/** The runs of a head in columns: step *consume* of a written line. */
import { grownLength, resized } from './grown.ts';

const none = -1;
/** A head that has become small shrinks columns above this length. */
const shrunkShare = 1 / 8;
const keptLength = 1024;

/** Bounds of a run: its rows and their times. */
interface RunRows {
  /** Microseconds, rounded down, inclusive. */
  readonly minUs: number;
  readonly maxUs: number;
  readonly entries: number;
  readonly lineBytes: number;
}

/**
 * The runs of a head as columns, in order of arrival, each linked to the previous run of the same stream.
 * Records leave in that order too: dropping them moves a border.
 */
export class HeadRuns {
  /** Runs have the numbers `first` .. `end` - 1. */
  first = 0;
  end = 0;
  #stream = new Int32Array(0);
  /** Number of the record, place of the block in the record's section, and of the run in the block. */
  #record = new Int32Array(0);
  #block = new Uint32Array(0);
  #run = new Uint32Array(0);
  #previous = new Int32Array(0);
  #minUs = new Float64Array(0);
  #maxUs = new Float64Array(0);
  /**
   * The largest time of the stream's runs up to this one: a search from the newest run back stops where it is
   * too low.
   */
  #newestUs = new Float64Array(0);
  #entries = new Uint32Array(0);
  #lineBytes = new Uint32Array(0);

  stream(run: number): number {
    return this.#stream[run];
  }

  record(run: number): number {
    return this.#record[run];
  }

  block(run: number): number {
    return this.#block[run];
  }

  runInBlock(run: number): number {
    return this.#run[run];
  }

  minUs(run: number): number {
    return this.#minUs[run];
  }

  maxUs(run: number): number {
    return this.#maxUs[run];
  }

  newestUs(run: number): number {
    return this.#newestUs[run];
  }

  entries(run: number): number {
    return this.#entries[run];
  }

  lineBytes(run: number): number {
    return this.#lineBytes[run];
  }

  /** The first run of a record, or of a later one. */
  firstOf(record: number): number {
    let low = this.first;
    let high = this.end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#record[middle] < record) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The streams of runs start .. end, as a copy. */
  streams(start: number, end: number): Int32Array {
    return this.#stream.slice(start, end);
  }

  /** The previous run of the same stream; -1: none, or dropped. */
  previous(run: number): number {
    const previous = this.#previous[run];
    return previous < this.first ? none : previous;
  }

  /** @param previous the newest run of the stream so far; -1: none */
  push(
    stream: number,
    place: { readonly record: number; readonly block: number; readonly run: number },
    { minUs, maxUs, entries, lineBytes }: RunRows,
    previous: number,
  ): number {
    const at = this.end++;
    if (at === this.#stream.length) this.#resize(grownLength(at));
    this.#stream[at] = stream;
    this.#record[at] = place.record;
    this.#block[at] = place.block;
    this.#run[at] = place.run;
    this.#previous[at] = previous;
    this.#minUs[at] = minUs;
    this.#maxUs[at] = maxUs;
    this.#newestUs[at] = previous === none ? maxUs : Math.max(this.#newestUs[previous], maxUs);
    this.#entries[at] = entries;
    this.#lineBytes[at] = lineBytes;
    return at;
  }

  /**
   * Moves the runs to the front where more than half were dropped.
   *
   * @param recordShift subtracted from the numbers of records
   * @returns the shift of the numbers of runs; 0: nothing has changed
   */
  compact(recordShift: number): number {
    const shift = this.first;
    if (shift === 0 || (shift < this.end / 2 && this.end < 2 ** 30)) return 0;
    const count = this.end - shift;
    for (const column of this.#columns()) column.copyWithin(0, shift, this.end);
    for (let run = 0; run < count; run++) {
      this.#record[run] -= recordShift;
      this.#previous[run] -= shift;
    }
    this.first = 0;
    this.end = count;
    const { length } = this.#stream;
    if (length > keptLength && count < length * shrunkShare) this.#resize(count * 2);
    return shift;
  }

  #columns(): (Int32Array | Uint32Array | Float64Array)[] {
    const numbers = [this.#stream, this.#record, this.#block, this.#run, this.#previous];
    return [...numbers, this.#entries, this.#lineBytes, this.#newestUs, this.#minUs, this.#maxUs];
  }

  #resize(length: number): void {
    this.#stream = resized(this.#stream, length);
    this.#record = resized(this.#record, length);
    this.#block = resized(this.#block, length);
    this.#run = resized(this.#run, length);
    this.#previous = resized(this.#previous, length);
    this.#newestUs = resized(this.#newestUs, length);
    this.#minUs = resized(this.#minUs, length);
    this.#maxUs = resized(this.#maxUs, length);
    this.#entries = resized(this.#entries, length);
    this.#lineBytes = resized(this.#lineBytes, length);
  }
}
