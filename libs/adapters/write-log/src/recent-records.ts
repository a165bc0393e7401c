/** The newest records of a partition in memory: the source of step *consume*. */
import type { LoggedRecord } from '@loki/ports';
import { framedBytes } from './format.ts';

/**
 * The newest records of a partition without gaps, within a bound of bytes: a consumer that keeps up never
 * reads the disk. The newest record is always kept, regardless of its size.
 */
export class RecentRecords {
  readonly #bytesMax: number;
  #records: LoggedRecord[] = [];
  #head = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Adds the next record. After a gap in offsets earlier records are dropped. */
  push(record: LoggedRecord): void {
    const last = this.#records.at(-1);
    if (last && last.offset + 1 !== record.offset) this.clear();
    this.#records.push({ ...record, payload: ownBytes(record.payload) });
    this.#bytes += memoryBytes(record);
    while (this.#bytes > this.#bytesMax && this.#head < this.#records.length - 1) {
      this.#bytes -= memoryBytes(this.#records[this.#head]);
      this.#records[this.#head++] = placeholder;
    }
    // The array is compacted only from time to time, which keeps `push` O(1).
    if (this.#head > 64 && this.#head * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#head);
      this.#head = 0;
    }
  }

  /**
   * Records from `offset` on, about `bytesMax` and at least one; undefined when `offset` is older than all
   * records here.
   */
  from(offset: number, bytesMax: number): LoggedRecord[] | undefined {
    const first = this.#records[this.#head];
    if (!first || offset < first.offset) return undefined;
    const records: LoggedRecord[] = [];
    let bytes = 0;
    for (let i = this.#head + (offset - first.offset); i < this.#records.length && bytes < bytesMax; i++) {
      records.push(this.#records[i]);
      bytes += framedBytes(this.#records[i]);
    }
    return records;
  }

  clear(): void {
    this.#records = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}

/** Bytes of a record's objects: offset, writer, and the header of its payload. */
const recordBytes = 300;

function memoryBytes(record: LoggedRecord): number {
  return recordBytes + framedBytes(record);
}

/**
 * A payload with a buffer of its own: small buffers are parts of slabs of 64 KiB, and each would retain its
 * slab.
 */
function ownBytes(payload: Buffer): Buffer {
  if (payload.buffer.byteLength <= 2 * payload.length) return payload;
  return Buffer.from(Uint8Array.from(payload).buffer);
}

/** Replaces a dropped record, so that its payload can be collected before the array is compacted. */
const placeholder: LoggedRecord = { writerId: '', sequence: 0, offset: -1, payload: Buffer.alloc(0) };
