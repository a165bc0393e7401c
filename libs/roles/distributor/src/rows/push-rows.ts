/** One decoded push as columns: the data structure that the steps of a push share. */
import { LokiError, freeMemory, mib } from '@loki/model';
import type { PushSink } from '@loki/proto';
import { NameCache } from '../json/name-cache.ts';
import type { ResolvedStream } from '../streams/resolve-stream.ts';
import type { StreamLookup } from '../streams/stream-cache.ts';
import { asBuffer, resized, rowsAtStart, weightOfRows } from './row-columns.ts';
import type { RowColumns } from './row-columns.ts';

const extraBytesAtStart = 64 * 1024;
const extraBytesKeptMax = 8 * mib;

/** Bounds on the content of one push. */
interface PushCounts {
  readonly rows: number;
  readonly pairs: number;
  /** Mentions of streams in the push. */
  readonly streams: number;
}

/**
 * Two bytes of a body make an entry, a pair or a stream, and each takes many times that in memory: agents
 * send thousands at a time, not millions. A new stream costs 5 µs to resolve: a push with this many takes a
 * third of a second.
 */
const countsMax: PushCounts = { rows: 1 << 22, pairs: 1 << 22, streams: 1 << 16 };

/**
 * Bounds of a push that is decoded and written in one turn: each of these takes 20 ms at most (0.6 µs an
 * entry of a few bytes, 0.3 µs a pair, 12 µs a new stream).
 */
export const inlineCountsMax: PushCounts = { rows: 1 << 15, pairs: 1 << 16, streams: 1 << 11 };

/** Bytes of a row in the columns of numbers. */
const columnBytesPerRow = 26;
/** Memory that stays between pushes at most; a larger push frees its columns. */
const rowsKeptMax = 1 << 18;

/**
 * One decoded push as columns, reused from push to push, without an object for each entry. Row r belongs to
 * the stream s with streamFirstRow[s] <= r < streamFirstRow[s + 1]; its metadata are the pairs pairEnd[r - 1]
 * .. pairEnd[r].
 *
 * Lines are ranges of `bytes` (the body), or of `extra` where the body does not have them in their final
 * form.
 */
export class PushRows implements PushSink {
  bytes: Buffer = Buffer.alloc(0);
  /** Lines made while decoding: unescaped JSON text, OTLP bodies that are no strings, cut lines. */
  extra = Buffer.allocUnsafeSlow(extraBytesAtStart);
  extraLength = 0;

  rowCount = 0;
  seconds = new Float64Array(rowsAtStart);
  nanos = new Int32Array(rowsAtStart);
  lineStart = new Uint32Array(rowsAtStart);
  lineEnd = new Uint32Array(rowsAtStart);
  /** 1: the line is in `extra`. */
  inExtra = new Uint8Array(rowsAtStart);
  pairEnd = new Uint32Array(rowsAtStart);
  /** 1: the row will not be stored. */
  isRefused = new Uint8Array(rowsAtStart);

  /** The decoder made all metadata names valid label names. */
  hasValidNames = false;
  readonly pairNames: string[] = [];
  readonly pairValues: string[] = [];
  /** UTF-8 bytes of name and value, as received. */
  readonly pairBytes: number[] = [];

  readonly streams: ResolvedStream[] = [];
  readonly streamFirstRow: number[] = [];

  #streams: StreamLookup | undefined;
  /** The columns came from another thread, and belong to this push alone. */
  #isAdopted = false;
  readonly #names = new NameCache();
  /** More than these are refused with `bodyTooLarge`. */
  countsMax = countsMax;

  /** Memory of the columns, and of lines made while decoding. */
  get columnBytes(): number {
    return this.extra.length + this.seconds.length * columnBytesPerRow;
  }

  /** Empties the columns for a push whose body is `bytes`. */
  start(bytes: Buffer, streams: StreamLookup | undefined): void {
    this.bytes = bytes;
    this.#streams = streams;
    this.extraLength = 0;
    if (this.extra.length > extraBytesKeptMax || this.extra.length < extraBytesAtStart) {
      this.extra = Buffer.allocUnsafeSlow(extraBytesAtStart);
    }
    this.rowCount = 0;
    this.hasValidNames = false;
    this.pairNames.length = 0;
    this.pairValues.length = 0;
    this.pairBytes.length = 0;
    this.streams.length = 0;
    this.streamFirstRow.length = 0;
    const capacity = this.seconds.length;
    if (capacity > rowsKeptMax || capacity < rowsAtStart) this.#resize(rowsAtStart, 0);
  }

  /** Drops the body, so that a reused PushRows does not keep it until the next push. */
  release(): void {
    const { bytes, extra, seconds, nanos, lineStart, lineEnd, inExtra, pairEnd, isRefused } = this;
    this.start(Buffer.alloc(0), undefined);
    if (!this.#isAdopted) return;
    this.#isAdopted = false;
    const columns = [bytes, seconds, nanos, lineStart, lineEnd, inExtra, pairEnd, isRefused];
    if (this.extra !== extra) columns.push(extra);
    // Reused columns serve the next push.
    if (this.seconds !== seconds) for (const column of columns) freeMemory(column);
    else freeMemory(bytes);
  }

  /** Frees all columns but `bytes`: nothing can be decoded into them afterwards. */
  free(): void {
    const { extra, seconds, nanos, lineStart, lineEnd, inExtra, pairEnd, isRefused } = this;
    for (const column of [extra, seconds, nanos, lineStart, lineEnd, inExtra, pairEnd, isRefused]) {
      freeMemory(column);
    }
  }

  /** Takes over columns that another thread has filled; pairs and streams follow. */
  adopt(columns: RowColumns, streams: StreamLookup): void {
    this.start(asBuffer(columns.bytes), streams);
    this.#isAdopted = true;
    this.countsMax = countsMax;
    this.extra = asBuffer(columns.extra);
    this.extraLength = columns.extra.length;
    this.hasValidNames = columns.hasValidNames;
    this.seconds = columns.seconds;
    this.nanos = columns.nanos;
    this.lineStart = columns.lineStart;
    this.lineEnd = columns.lineEnd;
    this.inExtra = columns.inExtra;
    this.pairEnd = columns.pairEnd;
    this.rowCount = columns.seconds.length;
    this.isRefused = new Uint8Array(this.rowCount);
  }

  /** Approximate bytes of these rows in memory. */
  get weightBytes(): number {
    let pairBytes = 0;
    for (const bytes of this.pairBytes) pairBytes += bytes;
    return weightOfRows({
      // A character of a text may take two bytes.
      bytes: this.bytes.length + this.extraLength + 2 * pairBytes,
      rows: this.rowCount,
      pairs: this.pairNames.length,
      streams: this.streams.length,
    });
  }

  startStream(): void {
    this.streamFirstRow.push(this.rowCount);
  }

  addMetadata(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    this.#checkPairs();
    this.pairNames.push(this.#names.get(this.bytes, nameStart, nameEnd));
    this.pairValues.push(this.bytes.toString('utf8', valueStart, valueEnd));
    this.pairBytes.push(nameEnd - nameStart + valueEnd - valueStart);
  }

  /** Adds a pair whose texts are not in the body's bytes. */
  addPair(name: string, value: string): void {
    this.addSizedPair(name, value, Buffer.byteLength(name) + Buffer.byteLength(value));
  }

  /** @param bytes UTF-8 bytes of name and value */
  addSizedPair(name: string, value: string, bytes: number): void {
    this.#checkPairs();
    this.pairNames.push(name);
    this.pairValues.push(value);
    this.pairBytes.push(bytes);
  }

  addEntry(seconds: number, nanos: number, lineStart: number, lineEnd: number): void {
    this.#add(seconds, nanos, lineStart, lineEnd, 0);
  }

  /** Adds an entry whose line was made here. */
  addTextEntry(seconds: number, nanos: number, line: string): void {
    const start = this.addExtraText(line);
    this.#add(seconds, nanos, start, this.extraLength, 1);
  }

  /** Adds an entry whose line stands in `extra` from `lineStart` to its end. */
  addExtraEntry(seconds: number, nanos: number, lineStart: number): void {
    this.#add(seconds, nanos, lineStart, this.extraLength, 1);
  }

  /** Makes room for `count` bytes at the end of `extra`; the caller writes there and moves `extraLength`. */
  reserveExtra(count: number): Buffer {
    const needed = this.extraLength + count;
    if (needed > this.extra.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.extra.length * 2));
      this.extra.copy(grown, 0, 0, this.extraLength);
      this.extra = grown;
    }
    return this.extra;
  }

  /** Appends text to `extra`; returns where it starts. */
  addExtraText(text: string): number {
    const start = this.extraLength;
    const extra = this.reserveExtra(text.length * 3);
    this.extraLength += extra.write(text, start, 'utf8');
    return start;
  }

  /** Replaces a row's line with a copy of its first `keepBytes` bytes and a suffix. */
  cutLine(row: number, keepBytes: number, suffix: string): void {
    const start = this.extraLength;
    const extra = this.reserveExtra(keepBytes + suffix.length * 3);
    this.lineBuffer(row).copy(extra, start, this.lineStart[row], this.lineStart[row] + keepBytes);
    this.extraLength = start + keepBytes;
    this.extraLength += extra.write(suffix, this.extraLength, 'utf8');
    this.lineStart[row] = start;
    this.lineEnd[row] = this.extraLength;
    this.inExtra[row] = 1;
  }

  endStream(labelsStart: number, labelsEnd: number): void {
    if (!this.#streams) throw new LokiError('internal', 'a push was decoded without a way to find streams');
    this.endResolved(this.#streams.ofTextBytes(this.bytes, labelsStart, labelsEnd));
  }

  endResolved(stream: ResolvedStream): void {
    const { streams } = this.countsMax;
    if (this.streams.length >= streams) throw tooMany('streams', streams);
    this.streams.push(stream);
  }

  /** End of the rows of stream `index`. */
  streamRowEnd(index: number): number {
    return index + 1 < this.streamFirstRow.length ? this.streamFirstRow[index + 1] : this.rowCount;
  }

  /** First metadata pair of a row; the last one is before `pairEnd[row]`. */
  pairStart(row: number): number {
    return row === 0 ? 0 : this.pairEnd[row - 1];
  }

  /** Line and metadata bytes of a row, as received. */
  rowBytes(row: number): number {
    return this.lineEnd[row] - this.lineStart[row] + this.metadataBytes(row);
  }

  metadataBytes(row: number): number {
    let bytes = 0;
    for (let pair = this.pairStart(row); pair < this.pairEnd[row]; pair++) bytes += this.pairBytes[pair];
    return bytes;
  }

  /** The memory that `lineStart` and `lineEnd` of a row refer to. */
  lineBuffer(row: number): Buffer {
    return this.inExtra[row] === 0 ? this.bytes : this.extra;
  }

  #add(seconds: number, nanos: number, lineStart: number, lineEnd: number, inExtra: number): void {
    const row = this.rowCount;
    if (row >= this.countsMax.rows) throw tooMany('entries', this.countsMax.rows);
    if (row === this.seconds.length) this.#resize(row * 2, row);
    this.seconds[row] = seconds;
    this.nanos[row] = nanos;
    this.lineStart[row] = lineStart;
    this.lineEnd[row] = lineEnd;
    this.inExtra[row] = inExtra;
    this.pairEnd[row] = this.pairNames.length;
    this.isRefused[row] = 0;
    this.rowCount = row + 1;
  }

  #checkPairs(): void {
    const { pairs } = this.countsMax;
    if (this.pairNames.length >= pairs) throw tooMany('structured metadata pairs', pairs);
  }

  #resize(capacity: number, keep: number): void {
    this.seconds = resized(this.seconds, new Float64Array(capacity), keep);
    this.nanos = resized(this.nanos, new Int32Array(capacity), keep);
    this.lineStart = resized(this.lineStart, new Uint32Array(capacity), keep);
    this.lineEnd = resized(this.lineEnd, new Uint32Array(capacity), keep);
    this.inExtra = resized(this.inExtra, new Uint8Array(capacity), keep);
    this.pairEnd = resized(this.pairEnd, new Uint32Array(capacity), keep);
    this.isRefused = resized(this.isRefused, new Uint8Array(capacity), keep);
  }
}

function tooMany(unit: string, max: number): LokiError {
  return new LokiError('bodyTooLarge', `request body too large: more than ${max} ${unit}`);
}
