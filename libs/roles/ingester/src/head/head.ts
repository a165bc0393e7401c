/**
 * The uncommitted records of one partition in memory: between steps *consume* and *commit* of a written
 * line.
 */
import { usOf } from '@loki/model';
import { atOnce } from '@loki/ports';
import type { SlicedWork } from '@loki/ports';
import type { Section } from '@loki/segment';
import { usAt, usBase } from '../common/time.ts';
import { boundsBelow } from './bounds-below.ts';
import type { EntryHasher } from './entry-hasher.ts';
import type { EntryIndex } from './entry-index.ts';
import { grown } from './grown.ts';
import { bytesOf, countBelow } from './head-record.ts';
import type { HeadRecord } from './head-record.ts';
import { HeadRuns } from './head-runs.ts';
import { HeadStreams } from './head-streams.ts';
import type { TenantStreams } from './head-streams.ts';
import { SectionStreams } from './section-streams.ts';

/** The entries of a stream by their hashes, for streams with many runs that overlap in time. */
export interface StreamEntries {
  readonly index: EntryIndex;
  /** The newest indexed run; -1: none. */
  newestRun: number;
  /** Bytes of the index, counted in the memory of the head. */
  bytes: number;
}

/** A run of a block of a record of the head. */
interface RunPlace {
  readonly record: HeadRecord;
  /** Index of the block in the section of the stream's tenant, and of the run in the block. */
  readonly block: number;
  readonly run: number;
}

/** Streams between two looks at the clock: a microsecond or two each. */
const streamsPerLook = 512;
/** Memory of one run beside its compressed bytes: its columns, with their spare room. */
const bytesPerRun = 60;
/** Memory of a stream: its columns, and its place in the buckets. */
const bytesPerStream = 60;
/** Memory of one label of a stream: the pair, and its share of the text of the value. */
const bytesPerLabel = 44;

/**
 * The content of one partition above its committed offset: records, and an index tenant -> stream -> runs in
 * columns. Memory is about the compressed bytes; `memoryBytes` counts it.
 */
export class Head {
  /** Called with +1 for each new stream and -1 for each dropped one. */
  readonly #onStream: (tenant: string, difference: 1 | -1) => void;
  /** Ascending by offset. */
  readonly records: HeadRecord[] = [];
  /** In the order of entry: their numbers are consecutive. */
  #entered: HeadRecord[] = [];
  readonly streams: HeadStreams;
  readonly runs = new HeadRuns();
  /** Indexes of the streams that needed one. */
  readonly entries = new Map<number, StreamEntries>();
  #firstRecord = 0;
  /** By stream; below the first run: none. */
  #newestRun = new Int32Array(0);
  /** Streams that a cut left without runs. */
  readonly #withoutRuns: number[] = [];
  /** Spans of tenants may be wider than their rows. */
  #areSpansStale = false;
  memoryBytes = 0;
  lineBytes = 0;
  rowCount = 0;

  constructor(hasher: EntryHasher, onStream: (tenant: string, difference: 1 | -1) => void = () => {}) {
    this.streams = new HeadStreams(hasher);
    this.#onStream = onStream;
  }

  get streamCount(): number {
    return this.streams.size;
  }

  /**
   * Whether a number still stands for the tenant's stream. A commit may have dropped the stream, and another
   * tenant may have the number now; of the tenant itself only the present record enters.
   */
  has(stream: number, tenant: string): boolean {
    return stream >= 0 && this.streams.isThere(stream) && this.streams.tenantOf(stream).tenant === tenant;
  }

  rowsOf(tenant: string): number {
    return this.streams.tenants.get(tenant)?.rows ?? 0;
  }

  /** The newest run of a stream; -1: the stream has none, or is absent. */
  newestRun(stream: number): number {
    if (stream < 0 || !this.streams.isThere(stream)) return -1;
    const run = this.#newestRun[stream];
    return run < this.runs.first ? -1 : run;
  }

  /** The newest timestamp of a stream in the head; -Infinity: none. */
  newestUs(stream: number): number {
    const run = this.newestRun(stream);
    return run < 0 ? Number.NEGATIVE_INFINITY : this.runs.newestUs(run);
  }

  /** The oldest row of the tenant is not older; undefined: it has no rows. */
  oldestNs(tenant: string): bigint | undefined {
    this.#measureSpans();
    const minUs = this.streams.tenants.get(tenant)?.minUs ?? Infinity;
    return Number.isFinite(minUs) ? BigInt(minUs) * 1000n : undefined;
  }

  /** Whether every row of a tenant lies in the range; those of streams that a cut left without rows, too. */
  isWithin(tenant: TenantStreams, { startNs, endNs }: { startNs: bigint; endNs: bigint }): boolean {
    this.#measureSpans();
    return tenant.minUs > usOf(startNs) && tenant.maxUs < usOf(endNs);
  }

  /** Computes the time span of each tenant's rows from every run, after runs and streams were dropped. */
  #measureSpans(): void {
    if (!this.#areSpansStale || this.#withoutRuns.length > 0) return;
    for (const tenant of this.streams.tenants.values()) {
      tenant.minUs = Infinity;
      tenant.maxUs = -Infinity;
    }
    for (let run = this.runs.first; run < this.runs.end; run++) this.#widenSpan(run);
    this.#areSpansStale = false;
  }

  #widenSpan(run: number): void {
    const tenant = this.streams.tenantOf(this.runs.stream(run));
    tenant.minUs = Math.min(tenant.minUs, this.runs.minUs(run));
    tenant.maxUs = Math.max(tenant.maxUs, this.runs.maxUs(run));
  }

  placeOf(run: number): RunPlace {
    return { record: this.recordOf(run), block: this.runs.block(run), run: this.runs.runInBlock(run) };
  }

  /** The streams of a tenant's runs in a present record, run by run. */
  streamsOf(record: HeadRecord, tenant: string): Int32Array {
    const { runs, streams } = this;
    const ofTenant = streams.tenants.get(tenant);
    let run = runs.firstOf(record.number);
    const end = runs.firstOf(runs.record(run) + 1);
    while (run < end && streams.tenantOf(runs.stream(run)) !== ofTenant) run++;
    let next = run;
    while (next < end && streams.tenantOf(runs.stream(next)) === ofTenant) next++;
    return runs.streams(run, next);
  }

  recordOf(run: number): HeadRecord {
    return this.#entered[this.runs.record(run) - this.#firstRecord];
  }

  /** Adds a record, whose offset is above all others' of its tenants. O(its labels and runs). */
  add(record: HeadRecord): void {
    record.number = this.#firstRecord + this.#entered.length;
    this.#entered.push(record);
    // At the end, unless records of other tenants overtook it.
    this.records.splice(countBelow(this.records, record.offset + 1), 0, record);
    this.lineBytes += record.lineBytes;
    this.rowCount += record.rowCount;
    this.memoryBytes += bytesOf(record);
    for (const section of record.segment.sections) this.#addSection(section, record.number);
  }

  #addSection(section: Section, record: number): void {
    const sectionStreams = atOnce(SectionStreams.of(section, this.streams));
    for (const { index: block, baseNs, runs } of section.blocks) {
      const base = usBase(baseNs);
      for (let run = 0; run < runs.count; run++) {
        let stream = sectionStreams.numbers[runs.stream[run]];
        if (stream < 0) stream = this.#addStream(sectionStreams.add(runs.stream[run], this.streams));
        const place = { record, block, run };
        const rows = {
          minUs: usAt(base, runs.minTs[run]),
          maxUs: usAt(base, runs.maxTs[run]),
          entries: runs.firstRow[run + 1] - runs.firstRow[run],
          lineBytes: runs.lineBytes[run],
        };
        const added = this.runs.push(stream, place, rows, this.newestRun(stream));
        this.#newestRun[stream] = added;
        this.streams.tenantOf(stream).rows += rows.entries;
        this.#widenSpan(added);
      }
      this.memoryBytes += bytesPerRun * runs.count;
    }
  }

  #addStream(stream: number): number {
    while (stream >= this.#newestRun.length) this.#newestRun = grown(this.#newestRun);
    this.#newestRun[stream] = -1;
    this.memoryBytes += this.#bytesOfStream(stream);
    this.#onStream(this.streams.tenantOf(stream).tenant, 1);
    return stream;
  }

  /**
   * Drops the committed records below `offset` at once: bounds, cut, and streams. O(runs).
   *
   * @param onStream see `boundsBelow`
   */
  dropBelow(offset: number, onStream: (streamHash: number, newestUs: number) => void): void {
    atOnce(boundsBelow(this, offset, onStream));
    this.cutBelow(offset);
    atOnce(this.forgetStreams());
  }

  /**
   * Drops the records below `offset` with their runs. Streams that have no runs any more stay, without rows,
   * until `forgetStreams`: a cut is quick.
   */
  cutBelow(offset: number): void {
    const count = countBelow(this.records, offset);
    if (count === 0) return;
    // A remaining record has entered before a dropped one: those that remain enter again, behind the others.
    const overtakers = this.#entered.slice(0, count).some((record) => record.offset >= offset);
    const staying = overtakers ? this.records.slice(count) : [];
    this.#cut(count + staying.length);
    for (const record of staying) this.add(record);
  }

  /** Forgets streams that a cut has left without runs. Records may enter, and cuts follow, in between. */
  *forgetStreams(): SlicedWork<void> {
    for (let steps = 1; this.#withoutRuns.length > 0; steps++) {
      const stream = this.#withoutRuns.pop()!;
      // It has got new runs, or a stream with its number has.
      if (!this.streams.isThere(stream) || this.newestRun(stream) >= 0) continue;
      this.memoryBytes -= this.#bytesOfStream(stream);
      const { tenant } = this.streams.tenantOf(stream);
      this.streams.delete(stream);
      this.#onStream(tenant, -1);
      if (steps % streamsPerLook === 0) yield;
    }
  }

  /** Drops the records with the lowest offsets, which entered first. */
  #cut(count: number): void {
    this.#entered.splice(0, count);
    for (const record of this.records.splice(0, count)) {
      this.lineBytes -= record.lineBytes;
      this.rowCount -= record.rowCount;
      this.memoryBytes -= bytesOf(record);
    }
    this.#firstRecord += count;
    this.#areSpansStale = true;
    this.#cutRuns();
    const shift = this.runs.compact(this.#firstRecord);
    if (shift === 0) return;
    this.#firstRecord = 0;
    this.#entered.forEach((record, number) => (record.number = number));
    for (let stream = 0; stream < this.streams.end; stream++) this.#newestRun[stream] -= shift;
    for (const entries of this.entries.values()) entries.newestRun -= shift;
  }

  /** The runs of dropped records. */
  #cutRuns(): void {
    const { runs, streams } = this;
    const { first } = runs;
    let end = first;
    for (; end < runs.end && runs.record(end) < this.#firstRecord; end++) {
      const stream = runs.stream(end);
      streams.tenantOf(stream).rows -= runs.entries(end);
      if (this.#newestRun[stream] === end) this.#withoutRuns.push(stream);
      this.forgetEntries(stream);
    }
    this.memoryBytes -= bytesPerRun * (end - first);
    runs.first = end;
  }

  forgetEntries(stream: number): void {
    const entries = this.entries.get(stream);
    if (!entries) return;
    this.memoryBytes -= entries.bytes;
    this.entries.delete(stream);
  }

  /** Counts the memory of a stream's index of entries after it has grown. */
  weighEntries(stream: number, entries: StreamEntries): void {
    // While the index grew, a commit may have dropped the stream.
    if (this.entries.get(stream) !== entries) return;
    this.memoryBytes += entries.index.memoryBytes - entries.bytes;
    entries.bytes = entries.index.memoryBytes;
  }

  /** Removes single records. O(all runs): for unreadable records, which are rare. */
  remove(records: ReadonlySet<HeadRecord>): void {
    const remaining = this.records.filter((record) => !records.has(record));
    const last = this.records.at(-1);
    if (last) this.dropBelow(last.offset + 1, () => undefined);
    for (const record of remaining) this.add(record);
  }

  #bytesOfStream(stream: number): number {
    return bytesPerStream + bytesPerLabel * this.streams.labelCount(stream);
  }
}
