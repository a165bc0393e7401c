import type { Labels } from '@loki/model';
import type { Segment } from '@loki/segment';
import type { EntryIndex } from './entry-index.ts';
import { StreamIndex } from './stream-index.ts';
import { usAt, usBase } from './time.ts';

/**
 * A write-log record as the head keeps it: its bytes as they came (line bytes stay compressed), and a view of
 * them.
 */
export interface HeadRecord {
  readonly offset: number;
  /**
   * In shared memory: worker threads that scan or merge it see these very bytes, nothing is copied. Never
   * written after it is in the head, so that queries in progress may go on when the head has dropped it.
   */
  readonly bytes: Uint8Array;
  readonly segment: Segment;
  readonly rowCount: number;
  /** Uncompressed. */
  readonly lineBytes: number;
  readonly consumedAtMs: number;
}

export function headRecordOf(offset: number, segment: Segment, consumedAtMs: number): HeadRecord {
  let rowCount = 0;
  let lineBytes = 0;
  for (const section of segment.sections) {
    rowCount += section.rowCount;
    lineBytes += section.lineBytes;
  }
  return { offset, bytes: segment.bytes, segment, rowCount, lineBytes, consumedAtMs };
}

/** All runs that the head holds of one stream, in order of arrival, as columns. */
export interface HeadStream {
  readonly labels: Labels;
  readonly text: string;
  readonly record: HeadRecord[];
  /** Index of the block in the record's section, and of the run in the block. */
  readonly block: number[];
  readonly run: number[];
  /** Microseconds, rounded down, inclusive. */
  readonly minUs: number[];
  readonly maxUs: number[];
  /**
   * newestUs[i] is the largest of maxUs[0 .. i]: a search from the newest run stops where it falls too low.
   */
  readonly newestUs: number[];
  /** Of the entries of its first `runCount` runs; where many runs overlap in time. */
  entryIndex: EntryIndex | undefined;
  /** Bytes of the index in the memory of the head. */
  entryIndexBytes: number;
}

/**
 * Bytes of one run of a record in the index, over its compressed bytes: the columns above, and its share of
 * the stream.
 */
const indexBytesPerRun = 64;
/** A stream's labels, text, map entry and arrays. */
const indexBytesPerStream = 600;
/** The place of a stream among those with the same value of one label. */
const indexBytesPerLabel = 64;

/**
 * The content of one partition above its committed offset: records, and an index tenant -> stream -> runs.
 * Memory is about the compressed bytes; `memoryBytes` counts it.
 */
export class Head {
  /** Told of streams that come (+1) and go (-1). */
  readonly #onStream: (tenant: string, difference: 1 | -1) => void;
  readonly records: HeadRecord[] = [];
  readonly tenants = new Map<string, StreamIndex<HeadStream>>();
  memoryBytes = 0;
  lineBytes = 0;
  rowCount = 0;
  streamCount = 0;

  constructor(onStream: (tenant: string, difference: 1 | -1) => void = () => {}) {
    this.#onStream = onStream;
  }

  /** The newest timestamp held of a stream; -Infinity when none is. */
  newestUs(tenant: string, streamText: string): number {
    const stream = this.tenants.get(tenant)?.get(streamText);
    return stream ? stream.newestUs[stream.newestUs.length - 1] : Number.NEGATIVE_INFINITY;
  }

  /** Appends a record, whose offset is above all others'. O(its runs). */
  add(record: HeadRecord): void {
    this.records.push(record);
    this.lineBytes += record.lineBytes;
    this.rowCount += record.rowCount;
    this.memoryBytes += record.bytes.length;
    for (const section of record.segment.sections) {
      const tenant = this.#tenant(section.tenant);
      // Streams of this section, looked up once each: several runs of one record are often of one stream.
      const streams: (HeadStream | undefined)[] = [];
      for (const info of section.blocks) {
        const base = usBase(info.baseNs);
        const { runs } = info;
        for (let run = 0; run < runs.count; run++) {
          const index = runs.stream[run];
          const stream = (streams[index] ??= this.#stream(
            tenant,
            section.tenant,
            section.streams.labels(index),
          ));
          const minUs = usAt(base, runs.minTs[run]);
          const maxUs = usAt(base, runs.maxTs[run]);
          const last = stream.newestUs.length - 1;
          stream.record.push(record);
          stream.block.push(info.index);
          stream.run.push(run);
          stream.minUs.push(minUs);
          stream.maxUs.push(maxUs);
          stream.newestUs.push(last < 0 ? maxUs : Math.max(stream.newestUs[last], maxUs));
          this.memoryBytes += indexBytesPerRun;
        }
      }
    }
  }

  /**
   * Forgets the records below `offset`, which are committed now.
   *
   * @param onStream called for each stream that loses runs, with the newest timestamp among them
   */
  dropBelow(offset: number, onStream: (tenant: string, streamText: string, newestUs: number) => void): void {
    const count = countBelow(this.records, offset);
    if (count === 0) return;
    for (const record of this.records.splice(0, count)) {
      this.lineBytes -= record.lineBytes;
      this.rowCount -= record.rowCount;
      this.memoryBytes -= record.bytes.length;
    }
    for (const [tenantName, tenant] of this.tenants) {
      for (const stream of tenant.streams()) {
        const runs = countBelow(stream.record, offset);
        if (runs === 0) continue;
        onStream(tenantName, stream.text, stream.newestUs[runs - 1]);
        this.memoryBytes -= indexBytesPerRun * runs + stream.entryIndexBytes;
        stream.entryIndex = undefined;
        stream.entryIndexBytes = 0;
        if (runs < stream.record.length) {
          dropRuns(stream, runs);
          continue;
        }
        tenant.delete(stream);
        this.streamCount--;
        this.#onStream(tenantName, -1);
        this.memoryBytes -= streamBytes(stream.labels);
      }
      if (tenant.size === 0) this.tenants.delete(tenantName);
    }
  }

  /** Counts the memory of a stream's index of entries, which has grown. */
  weighIndex(tenant: string, stream: HeadStream): void {
    // While the index grew, a commit may have taken the stream out.
    if (!stream.entryIndex || this.tenants.get(tenant)?.get(stream.text) !== stream) return;
    this.memoryBytes += stream.entryIndex.memoryBytes - stream.entryIndexBytes;
    stream.entryIndexBytes = stream.entryIndex.memoryBytes;
  }

  /** Takes single records out. O(all runs): for records found unreadable, which is rare. */
  remove(records: ReadonlySet<HeadRecord>): void {
    const kept = this.records.filter((record) => !records.has(record));
    this.records.length = 0;
    for (const [name, tenant] of this.tenants) for (const _ of tenant.streams()) this.#onStream(name, -1);
    this.tenants.clear();
    this.memoryBytes = 0;
    this.lineBytes = 0;
    this.rowCount = 0;
    this.streamCount = 0;
    for (const record of kept) this.add(record);
  }

  #tenant(name: string): StreamIndex<HeadStream> {
    let tenant = this.tenants.get(name);
    if (!tenant) this.tenants.set(name, (tenant = new StreamIndex<HeadStream>()));
    return tenant;
  }

  #stream(tenant: StreamIndex<HeadStream>, tenantName: string, labels: Labels): HeadStream {
    const text = labels.toString();
    let stream = tenant.get(text);
    if (!stream) {
      const runs = { record: [], block: [], run: [], minUs: [], maxUs: [], newestUs: [] };
      stream = { labels, text, ...runs, entryIndex: undefined, entryIndexBytes: 0 };
      tenant.add(stream);
      this.streamCount++;
      this.#onStream(tenantName, 1);
      this.memoryBytes += streamBytes(labels);
    }
    return stream;
  }
}

function streamBytes(labels: Labels): number {
  return indexBytesPerStream + indexBytesPerLabel * labels.size;
}

function dropRuns(stream: HeadStream, count: number): void {
  stream.record.splice(0, count);
  stream.block.splice(0, count);
  stream.run.splice(0, count);
  stream.minUs.splice(0, count);
  stream.maxUs.splice(0, count);
  stream.newestUs.splice(0, count);
  let newest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < stream.maxUs.length; i++) {
    newest = Math.max(newest, stream.maxUs[i]);
    stream.newestUs[i] = newest;
  }
}

/** How many of the records, ascending by offset, lie below `offset`. */
function countBelow(records: readonly HeadRecord[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (records[middle].offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
