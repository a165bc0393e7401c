/** Writes the rows of a push into columns: step *decode, validate, limit* of a written line. */
import type { Labels } from '@loki/model';
import type { RawSection } from '../format/types.ts';
import { RowBuffer } from './row-buffer.ts';

/**
 * Rows further than this from a buffer's first row go to another buffer, because a buffer spans less than
 * 2^53 ns.
 */
const reachSeconds = 4_000_000;

/**
 * Collects rows of one tenant into columns: the distributor's hot path, no object per row.
 *
 *     writer.beginRun(labels); writer.addRow(…); writer.addMetadata(…); writer.addRow(…); writer.endRun();
 *
 * A stream may have any number of runs. `endRun` sorts a run by timestamp (stable) where needed, and drops
 * equal rows. After `finish` the writer is empty and may be used again.
 */
export class RowWriter {
  readonly tenant: string;
  /** Almost always one buffer; rows that are months apart need one for each 46 days or so. */
  #buffers: RowBuffer[] = [];
  #current: RowBuffer | undefined;
  #labels: Labels | undefined;
  #rowCount = 0;

  constructor(tenant: string) {
    this.tenant = tenant;
  }

  /** Rows so far, without dropped rows. */
  get rowCount(): number {
    return this.#rowCount;
  }

  /** Approximate uncompressed bytes of the rows: lines, metadata, labels and 12 bytes a row. */
  get byteSize(): number {
    let bytes = 0;
    for (const buffer of this.#buffers) bytes += buffer.byteSize;
    return bytes;
  }

  /** Distinct streams so far. */
  get streamCount(): number {
    let count = 0;
    for (const buffer of this.#buffers) count += buffer.streamCount;
    return count;
  }

  /** Distinct names of structured metadata so far; each becomes a column. */
  get nameCount(): number {
    let count = 0;
    for (const buffer of this.#buffers) count += buffer.nameCount;
    return count;
  }

  /** Starts a run: the next rows belong to the stream `labels`. */
  beginRun(labels: Labels): void {
    if (this.#labels) throw new Error('endRun() must come before the next beginRun()');
    this.#labels = labels;
    for (const buffer of this.#buffers) buffer.beginRun(labels);
  }

  /**
   * Appends a row, copying source[start .. end) as its line.
   *
   * @param seconds Unix seconds, a whole number, negative before 1970
   * @param nanos   0 .. 999,999,999
   */
  addRow(seconds: number, nanos: number, source: Uint8Array, start: number, end: number): void {
    this.#bufferFor(seconds).addRow(seconds, nanos, source, start, end);
    this.#rowCount++;
  }

  addRowText(seconds: number, nanos: number, text: string): void {
    this.#bufferFor(seconds).addRowText(seconds, nanos, text);
    this.#rowCount++;
  }

  /** Structured metadata of the last row. A repeated name replaces the value. */
  addMetadata(name: string, value: string): void {
    if (!this.#current) throw new Error('addMetadata() before the first row of its run');
    this.#current.addMetadata(name, value);
  }

  /**
   * @returns the number of rows that were dropped because the run has an equal row (timestamp, line,
   *   metadata)
   */
  endRun(): number {
    let dropped = 0;
    for (const buffer of this.#buffers) dropped += buffer.endRun();
    this.#rowCount -= dropped;
    this.#labels = undefined;
    this.#current = undefined;
    return dropped;
  }

  /** The rows as columns (empty without rows). The caller owns their memory and may move it to a worker. */
  finish(): RawSection[] {
    if (this.#labels) throw new Error('endRun() must come before finish()');
    const sections = this.#buffers.map((buffer) => buffer.finish(this.tenant));
    this.#buffers = [];
    this.#rowCount = 0;
    return sections.filter((section) => section.rowCount > 0);
  }

  #bufferFor(seconds: number): RowBuffer {
    const current = this.#current;
    if (current && Math.abs(seconds - current.baseSeconds) <= reachSeconds) return current;
    if (!this.#labels) throw new Error('beginRun() must come before the first row');
    let buffer = this.#buffers.find((candidate) => Math.abs(seconds - candidate.baseSeconds) <= reachSeconds);
    if (!buffer) {
      buffer = new RowBuffer(seconds);
      buffer.beginRun(this.#labels);
      this.#buffers.push(buffer);
    }
    this.#current = buffer;
    return buffer;
  }
}
