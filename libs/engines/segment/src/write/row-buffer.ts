/**
 * Growing columns of rows, before they are encoded: step *shard, batch* of a written line. One file, because
 * all methods work on the same columns.
 */
import { lengthen } from '@loki/bytes';
import { freeMemory, mib, nsPerSecond } from '@loki/model';
import type { Labels } from '@loki/model';
import { columnsOf, KeyDictionary } from '../columns/cells.ts';
import type { RawSection } from '../format/types.ts';

/**
 * Groups of at most this many equal timestamps are compared pair by pair; larger ones by a map of texts,
 * because pairs would cost n².
 */
const pairwiseTiesMax = 8;
const nanosPerSecond = 1e9;
/**
 * Lines grow from 8 KiB to this in three steps. Memory that nothing is written to takes no page, so room
 * costs nothing; a buffer that is made longer in place is filled with zeros.
 */
const largeLinesBytes = 4 * mib;

/**
 * Rows whose times lie within 2^53 ns of each other, as growing columns. See RowWriter for the order of
 * calls.
 */
export class RowBuffer {
  readonly baseSeconds: number;
  #rowCount = 0;
  /** ns relative to baseSeconds; may be negative. */
  #timestamps = new Float64Array(64);
  #lineEnds = new Uint32Array(64);
  // Not from Buffer's pool, because `finish` hands the memory over, possibly to another thread.
  #lines = Buffer.allocUnsafeSlow(8192);
  #lineBytes = 0;
  /** Metadata cells of row r stand at [#cellEnds[r-1], #cellEnds[r]), ordered by key. */
  #cellEnds = new Uint32Array(64);
  #cellKey = new Uint32Array(64);
  #cellCode = new Uint32Array(64);
  #cellCount = 0;
  readonly #keyOf = new Map<string, number>();
  readonly #keys: KeyDictionary[] = [];
  #dictionaryBytes = 0;

  readonly #streamOf = new Map<string, number>();
  readonly #streams: { names: readonly string[]; values: readonly string[] }[] = [];
  #labelBytes = 0;
  #runStream = new Uint32Array(16);
  #runFirstRow = new Uint32Array(17);
  #runCount = 0;

  #labels: Labels | undefined;
  #runStart = 0;
  #isOrdered = true;
  #hasTies = false;

  constructor(baseSeconds: number) {
    this.baseSeconds = baseSeconds;
  }

  get byteSize(): number {
    return (
      this.#lineBytes + this.#rowCount * 12 + this.#cellCount * 8 + this.#dictionaryBytes + this.#labelBytes
    );
  }

  get streamCount(): number {
    return this.#streams.length;
  }

  /** Distinct names of metadata. */
  get nameCount(): number {
    return this.#keys.length;
  }

  beginRun(labels: Labels): void {
    this.#labels = labels;
    this.#runStart = this.#rowCount;
    this.#isOrdered = true;
    this.#hasTies = false;
  }

  addRow(seconds: number, nanos: number, source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    const at = this.#lineBytes;
    if (at + size > this.#lines.length) this.#growLines(size);
    const lines = this.#lines;
    // Below about 50 bytes a loop is faster than the call.
    if (size < 48) for (let i = 0; i < size; i++) lines[at + i] = source[start + i];
    else lines.set(source.subarray(start, end), at);
    this.#lineBytes = at + size;
    this.#endRow(seconds, nanos);
  }

  addRowText(seconds: number, nanos: number, text: string): void {
    if (this.#lineBytes + text.length * 3 > this.#lines.length) this.#growLines(text.length * 3);
    this.#lineBytes += this.#lines.write(text, this.#lineBytes, 'utf8');
    this.#endRow(seconds, nanos);
  }

  addMetadata(name: string, value: string): void {
    let key = this.#keyOf.get(name);
    if (key === undefined) {
      key = this.#keys.push(new KeyDictionary(name)) - 1;
      this.#keyOf.set(name, key);
      this.#dictionaryBytes += name.length + 16;
    }
    const dictionary = this.#keys[key];
    const valueCount = dictionary.values.length;
    const code = dictionary.code(value);
    if (code > valueCount) this.#dictionaryBytes += value.length;
    this.#addCell(key, code);
  }

  /** Sorts the run and drops equal rows where needed; returns the number of dropped rows. */
  endRun(): number {
    const from = this.#runStart;
    const labels = this.#labels;
    this.#labels = undefined;
    if (this.#rowCount === from || !labels) return 0;
    const dropped = this.#isOrdered && !this.#hasTies ? 0 : this.#settleRun(from);
    const run = this.#runCount++;
    if (run === this.#runStream.length) {
      this.#runStream = lengthen(this.#runStream, run * 2);
      this.#runFirstRow = lengthen(this.#runFirstRow, run * 2 + 1);
    }
    this.#runStream[run] = this.#streamIndex(labels);
    this.#runFirstRow[run] = from;
    return dropped;
  }

  finish(tenant: string): RawSection {
    const rowCount = this.#rowCount;
    this.#runFirstRow[this.#runCount] = rowCount;
    return {
      tenant,
      streams: this.#streams,
      baseNs: BigInt(this.baseSeconds) * nsPerSecond,
      rowCount,
      runStream: this.#runStream.subarray(0, this.#runCount),
      runFirstRow: this.#runFirstRow.subarray(0, this.#runCount + 1),
      timestamps: this.#timestamps.subarray(0, rowCount),
      lineEnds: this.#lineEnds.subarray(0, rowCount),
      lines: this.#lines.subarray(0, this.#lineBytes),
      metadata: columnsOf(
        { keys: this.#keys, ends: this.#cellEnds, key: this.#cellKey, code: this.#cellCode },
        rowCount,
      ),
    };
  }

  #endRow(seconds: number, nanos: number): void {
    const row = this.#rowCount;
    if (row === this.#timestamps.length) this.#growRows();
    const ts = (seconds - this.baseSeconds) * nanosPerSecond + nanos;
    this.#timestamps[row] = ts;
    this.#lineEnds[row] = this.#lineBytes;
    this.#cellEnds[row] = this.#cellCount;
    if (row > this.#runStart) {
      const previous = this.#timestamps[row - 1];
      if (ts < previous) this.#isOrdered = false;
      else if (ts === previous) this.#hasTies = true;
    }
    this.#rowCount = row + 1;
  }

  /** Inserts a cell. A row's cells are ordered by key, so that equal metadata has equal cells. */
  #addCell(key: number, code: number): void {
    const row = this.#rowCount - 1;
    const start = row === 0 ? 0 : this.#cellEnds[row - 1];
    let at = this.#cellCount;
    if (at === this.#cellKey.length) {
      this.#cellKey = lengthen(this.#cellKey, at * 2);
      this.#cellCode = lengthen(this.#cellCode, at * 2);
    }
    const keys = this.#cellKey;
    const codes = this.#cellCode;
    if (at > start && keys[at - 1] >= key) {
      let earlier = at - 1;
      while (earlier > start && keys[earlier] > key) earlier--;
      if (keys[earlier] === key) {
        codes[earlier] = code;
        return;
      }
      while (at > start && keys[at - 1] > key) {
        keys[at] = keys[at - 1];
        codes[at] = codes[at - 1];
        at--;
      }
    }
    keys[at] = key;
    codes[at] = code;
    this.#cellEnds[row] = ++this.#cellCount;
  }

  #streamIndex(labels: Labels): number {
    const text = labels.toString();
    let index = this.#streamOf.get(text);
    if (index === undefined) {
      index = this.#streams.push({ names: labels.names, values: labels.values }) - 1;
      this.#streamOf.set(text, index);
      this.#labelBytes += text.length;
    }
    return index;
  }

  /**
   * Sorts the run that starts at `from` by time and removes equal rows. Returns the number of dropped rows.
   */
  #settleRun(from: number): number {
    const count = this.#rowCount - from;
    const timestamps = this.#timestamps;
    const order = new Uint32Array(count);
    for (let i = 0; i < count; i++) order[i] = from + i;
    // Equal timestamps keep the order of arrival.
    if (!this.#isOrdered) order.sort((a, b) => timestamps[a] - timestamps[b] || a - b);
    let distinctCount = 0;
    for (let i = 0; i < count;) {
      let end = i + 1;
      while (end < count && timestamps[order[end]] === timestamps[order[i]]) end++;
      if (end - i === 1) order[distinctCount++] = order[i];
      else distinctCount = this.#keepDistinct(order, i, end, distinctCount);
      i = end;
    }
    if (distinctCount < count || !this.#isOrdered) this.#permute(from, order.subarray(0, distinctCount));
    return count - distinctCount;
  }

  /**
   * Moves the first of each set of equal rows in order[start .. end) to order[distinctCount ..]; returns the
   * new count.
   */
  #keepDistinct(order: Uint32Array, start: number, end: number, distinctCount: number): number {
    if (end - start > pairwiseTiesMax) {
      const rowKeys = new Map<string, true>();
      for (let i = start; i < end; i++) {
        const key = this.#rowKey(order[i]);
        if (rowKeys.has(key)) continue;
        rowKeys.set(key, true);
        order[distinctCount++] = order[i];
      }
      return distinctCount;
    }
    const first = distinctCount;
    for (let i = start; i < end; i++) {
      let isNew = true;
      for (let j = first; j < distinctCount && isNew; j++) isNew = !this.#isEqualRow(order[i], order[j]);
      if (isNew) order[distinctCount++] = order[i];
    }
    return distinctCount;
  }

  #isEqualRow(a: number, b: number): boolean {
    const [aStart, bStart] = [this.#lineStart(a), this.#lineStart(b)];
    const [aEnd, bEnd] = [this.#lineEnds[a], this.#lineEnds[b]];
    if (aEnd - aStart !== bEnd - bStart) return false;
    const [aCell, bCell] = [this.#cellStart(a), this.#cellStart(b)];
    const cells = this.#cellEnds[a] - aCell;
    if (cells !== this.#cellEnds[b] - bCell) return false;
    for (let i = 0; i < cells; i++) {
      if (this.#cellKey[aCell + i] !== this.#cellKey[bCell + i]) return false;
      if (this.#cellCode[aCell + i] !== this.#cellCode[bCell + i]) return false;
    }
    return this.#lines.compare(this.#lines, bStart, bEnd, aStart, aEnd) === 0;
  }

  /** Line and cells as one text, equal exactly for equal rows. */
  #rowKey(row: number): string {
    let key = '';
    for (let cell = this.#cellStart(row); cell < this.#cellEnds[row]; cell++) {
      key += `${this.#cellKey[cell]}=${this.#cellCode[cell]},`;
    }
    return `${key}:${this.#lines.toString('latin1', this.#lineStart(row), this.#lineEnds[row])}`;
  }

  /** Replaces the rows from `from` on by the rows `order`, which are all among them. */
  #permute(from: number, order: Uint32Array): void {
    const lineFrom = this.#lineStart(from);
    const cellFrom = this.#cellStart(from);
    const lines = Buffer.from(this.#lines.subarray(lineFrom, this.#lineBytes));
    const timestamps = this.#timestamps.slice(from, this.#rowCount);
    const ends = this.#lineEnds.slice(from, this.#rowCount);
    const cellEnds = this.#cellEnds.slice(from, this.#rowCount);
    const keys = this.#cellKey.slice(cellFrom, this.#cellCount);
    const codes = this.#cellCode.slice(cellFrom, this.#cellCount);
    let [lineAt, cellAt] = [lineFrom, cellFrom];
    for (let i = 0; i < order.length; i++) {
      const source = order[i] - from;
      const start = source === 0 ? lineFrom : ends[source - 1];
      lineAt += lines.copy(this.#lines, lineAt, start - lineFrom, ends[source] - lineFrom);
      for (let cell = source === 0 ? cellFrom : cellEnds[source - 1]; cell < cellEnds[source]; cell++) {
        this.#cellKey[cellAt] = keys[cell - cellFrom];
        this.#cellCode[cellAt++] = codes[cell - cellFrom];
      }
      this.#timestamps[from + i] = timestamps[source];
      this.#lineEnds[from + i] = lineAt;
      this.#cellEnds[from + i] = cellAt;
    }
    this.#lineBytes = lineAt;
    this.#cellCount = cellAt;
    this.#rowCount = from + order.length;
  }

  #lineStart(row: number): number {
    return row === 0 ? 0 : this.#lineEnds[row - 1];
  }

  #cellStart(row: number): number {
    return row === 0 ? 0 : this.#cellEnds[row - 1];
  }

  #growLines(needed: number): void {
    const { length } = this.#lines;
    const factor = length < largeLinesBytes ? 8 : 2;
    const grown = Buffer.allocUnsafeSlow(Math.max(length * factor, this.#lineBytes + needed));
    this.#lines.copy(grown, 0, 0, this.#lineBytes);
    freeMemory(this.#lines);
    this.#lines = grown;
  }

  #growRows(): void {
    const size = this.#rowCount * 2;
    this.#lineEnds = lengthen(this.#lineEnds, size);
    this.#cellEnds = lengthen(this.#cellEnds, size);
    this.#timestamps = lengthen(this.#timestamps, size);
  }
}
