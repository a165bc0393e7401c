/** One record of a head: its segment in memory, and the bytes it counts. */
import { openSegment } from '@loki/segment';
import type { Segment } from '@loki/segment';

/** Memory of a record: objects about its bytes. */
const bytesPerRecord = 320;

/** A write-log record in the head: its bytes as received; line bytes stay compressed. */
export class HeadRecord {
  readonly offset: number;
  /** Set when the record's tenants entered the head separately: the tenant of these rows. */
  readonly part: string | undefined;
  /**
   * In shared memory: worker threads that scan or merge the record read these very bytes without a copy.
   * Never written after the record has entered the head, so that running queries continue when the head has
   * dropped it.
   */
  readonly bytes: Buffer;
  readonly rowCount: number;
  /** Uncompressed line bytes. */
  readonly lineBytes: number;
  readonly consumedAtMs: number;
  /** Its number in the head. */
  number = -1;
  #segment: Segment | undefined;

  constructor(offset: number, segment: Segment, consumedAtMs: number, part?: string) {
    this.offset = offset;
    this.part = part;
    this.bytes = segment.bytes;
    this.consumedAtMs = consumedAtMs;
    this.#segment = segment;
    let rowCount = 0;
    let lineBytes = 0;
    for (const section of segment.sections) {
      rowCount += section.rowCount;
      lineBytes += section.lineBytes;
    }
    this.rowCount = rowCount;
    this.lineBytes = lineBytes;
  }

  /** A view of the bytes. A closed record is opened anew each time: some ten microseconds at least. */
  get segment(): Segment {
    return this.#segment ?? openSegment(this.bytes, 'a record of the head');
  }

  /**
   * Drops the view and its decoded columns: ten kilobytes for a record with one row, more than the
   * bytes themselves for one with a thousand streams.
   */
  close(): void {
    this.#segment = undefined;
  }
}

export function bytesOf({ bytes }: HeadRecord): number {
  return bytesPerRecord + bytes.length;
}

/** Number of records below `offset`; they are ascending by offset. */
export function countBelow(records: readonly HeadRecord[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (records[middle].offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
