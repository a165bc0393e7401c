/** Finds rows of a record that are already in head or store: step *consume* of a written line. */
import { inSlices } from '@loki/ports';
import type { Clock, SlicedWork, Timers } from '@loki/ports';
import type { Block, BlockInfo, Section, Segment } from '@loki/segment';
import { usAt, usBase } from '../common/time.ts';
import { entryColumns } from '../head/decoded-blocks.ts';
import type { DecodedBlocks } from '../head/decoded-blocks.ts';
import type { EntryHasher } from '../head/entry-hasher.ts';
import { EntryIndex } from '../head/entry-index.ts';
import type { FlushedBounds } from '../head/flushed-bounds.ts';
import type { Head, StreamEntries } from '../head/head.ts';
import { decodeWhole, isDamage } from '../head/same-entry.ts';
import type { RunRows } from '../head/same-entry.ts';
import type { CommittedRows } from './committed-rows.ts';
import { markSameRows } from './same-rows.ts';
import { findSuspects } from './suspects.ts';
import type { RunLinks, Suspect } from './suspects.ts';

/** Rows of one block that the head or the store already has, ascending. */
export interface DuplicateRows {
  readonly tenant: string;
  readonly block: number;
  readonly rows: Uint32Array;
}

export interface DedupeDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly head: Head;
  readonly bounds: FlushedBounds;
  readonly committed: CommittedRows;
  readonly blocks: DecodedBlocks;
  readonly hasher: EntryHasher;
  /** The partition's committed offset, read before the store is searched. */
  readonly committedOffset: () => number;
  readonly signal?: AbortSignal;
}

/** A block of the record with a mark for each row: 1 is a duplicate. */
interface MarkedBlock {
  readonly block: Block;
  readonly marks: Uint8Array;
}

/**
 * More overlapping runs than this are indexed by entry in place of a walk: pushes that all reach back to one
 * moment would cost the square of their number.
 */
const walkedRunsMax = 8;
/** Runs of a stream that are checked for such an overlap. */
const seenRunsMax = 1024;

/**
 * Finds rows of a record that repeat an entry (stream, timestamp, line, structured metadata) of the head, of
 * the committed store, or of an earlier run of the same record. The result depends on the log's content
 * alone: every owner of the partition removes the same rows, independent of its flushes.
 *
 * Cost for a run that begins after its stream's newest row, which is nearly every run: two map lookups.
 * Otherwise the stream's head runs are walked from the newest back, until all others are older; each
 * overlapping run costs a walk over timestamps, and a decompression of both blocks where timestamps are
 * equal. Where many overlap, the stream gets an index of its entries, and each row costs a lookup. Only runs
 * that reach back to flushed time read the store.
 *
 * The work yields every 10 ms.
 */
export async function findDuplicates(segment: Segment, context: DedupeDeps): Promise<DuplicateRows[]> {
  const { head, bounds, committed, committedOffset, signal } = context;
  const checkStopped = () => signal?.throwIfAborted();
  const suspects = await inSlices(findSuspects(segment, head, bounds), context, checkStopped);
  if (suspects.length === 0) return [];
  const record = new RecordRows(segment, context);
  // The head first, then the bound, then the store: at any await rows move from head to store, never back.
  await inSlices(record.markNear(suspects), context, checkStopped);
  for (const suspect of suspects) {
    const { section, info, run, streamHash, minUs } = suspect;
    if (minUs > bounds.newestUs(streamHash)) continue;
    const { marks } = record.blockOf(section, info);
    const labels = section.streams.labels(info.runs.stream[run]);
    const lateRun = { tenant: section.tenant, labels, rows: record.rowsOf(section, info, run), marks };
    await committed.mark(lateRun, committedOffset(), signal);
  }
  return record.duplicates();
}

/** The rows of an incoming record during the search for repeats. */
class RecordRows {
  readonly #segment: Segment;
  readonly #context: DedupeDeps;
  readonly #blocks = new Map<BlockInfo, MarkedBlock>();
  /** For streams with many runs in the record: an index of the entries of runs up to `last`. */
  readonly #indexes = new Map<RunLinks, Map<number, { readonly index: EntryIndex; last: number }>>();

  constructor(segment: Segment, context: DedupeDeps) {
    this.#segment = segment;
    this.#context = context;
  }

  blockOf(section: Section, info: BlockInfo): MarkedBlock {
    let marked = this.#blocks.get(info);
    if (!marked) {
      const block = this.#segment.block(section, info.index, entryColumns);
      this.#blocks.set(info, (marked = { block, marks: new Uint8Array(info.rowCount) }));
    }
    return marked;
  }

  rowsOf(section: Section, info: BlockInfo, run: number): RunRows {
    return rowsOf(this.blockOf(section, info).block, info, run);
  }

  /** Marks rows that repeat an earlier one of the record itself, or one of the head. */
  *markNear(suspects: readonly Suspect[]): SlicedWork<void> {
    for (const suspect of suspects) {
      const { section, info, run } = suspect;
      const rows = this.rowsOf(section, info, run);
      const { marks } = this.blockOf(section, info);
      if (suspect.earlierRuns > walkedRunsMax) yield* this.#markFromIndex(suspect, rows, marks);
      else yield* this.#markFromRuns(suspect, rows, marks);
      yield* markFromHead(suspect, rows, marks, this.#context);
      yield;
    }
  }

  duplicates(): DuplicateRows[] {
    const duplicates: DuplicateRows[] = [];
    for (const section of this.#segment.sections) {
      for (const info of section.blocks) {
        const marks = this.#blocks.get(info)?.marks;
        if (!marks?.includes(1)) continue;
        const rows: number[] = [];
        for (let row = 0; row < marks.length; row++) if (marks[row]) rows.push(row);
        duplicates.push({ tenant: section.tenant, block: info.index, rows: Uint32Array.from(rows) });
      }
    }
    return duplicates;
  }

  /** Marks rows that repeat earlier runs of the same stream: two pushes of one batch. */
  *#markFromRuns(suspect: Suspect, rows: RunRows, marks: Uint8Array): SlicedWork<void> {
    const { section, links } = suspect;
    for (let at = suspect.previous; at >= 0; at = links.previous[at]) {
      const info = section.blocks[links.block[at]];
      const run = links.run[at];
      const base = usBase(info.baseNs);
      if (usAt(base, info.runs.minTs[run]) > suspect.maxUs) continue;
      if (usAt(base, info.runs.maxTs[run]) < suspect.minUs) continue;
      yield* markSameRows(rows, this.rowsOf(section, info, run), marks, this.#context.hasher);
    }
  }

  *#markFromIndex(suspect: Suspect, rows: RunRows, marks: Uint8Array): SlicedWork<void> {
    const { section, links, previous } = suspect;
    let ofStreams = this.#indexes.get(links);
    if (!ofStreams) this.#indexes.set(links, (ofStreams = new Map()));
    const stream = suspect.info.runs.stream[suspect.run];
    let indexed = ofStreams.get(stream);
    if (!indexed) {
      ofStreams.set(stream, (indexed = { index: new EntryIndex(this.#context.hasher), last: -1 }));
    }
    for (let at = previous; at > indexed.last; at = links.previous[at]) {
      const info = section.blocks[links.block[at]];
      const earlier = this.rowsOf(section, info, links.run[at]);
      yield* indexed.index.add(() => earlier, this.blockOf(section, info).marks);
    }
    indexed.last = previous;
    yield* indexed.index.mark(rows, marks);
  }
}

function* markFromHead(
  suspect: Suspect,
  rows: RunRows,
  marks: Uint8Array,
  context: DedupeDeps,
): SlicedWork<void> {
  const { tenant } = suspect.section;
  const { head } = context;
  if (!head.has(suspect.stream, tenant)) return;
  // One of two blocks cannot be decoded. The new one goes into quarantine, by this same error; for a damaged
  // one in the head, the flush finds the damage, and there is nothing to compare with here.
  const leavesOut = (error: unknown): boolean => {
    if (!isDamage(error)) return false;
    decodeWhole(rows.block);
    return true;
  };
  const overlapping = head.entries.has(suspect.stream) ? undefined : overlappingRuns(head, suspect);
  if (!overlapping) {
    const { index } = yield* entriesOf(suspect.stream, tenant, context);
    yield* index.mark(rows, marks, leavesOut);
    return;
  }
  // Copied before other work gets the thread: a commit moves the runs of a stream.
  for (const { record, block: index, run } of overlapping.map((each) => head.placeOf(each))) {
    try {
      const block = context.blocks.get(record, tenant, index);
      yield* markSameRows(rows, rowsOf(block, block.info, run), marks, context.hasher);
    } catch (error) {
      if (!leavesOut(error)) throw error;
    }
  }
}

/**
 * Runs of the head that share time with a suspect, the newest first. Undefined: the walk would be too long.
 */
function overlappingRuns(head: Head, { stream, minUs, maxUs }: Suspect): number[] | undefined {
  const overlapping: number[] = [];
  const { runs } = head;
  let iterations = 0;
  for (let run = head.newestRun(stream); run >= 0 && runs.newestUs(run) >= minUs; run = runs.previous(run)) {
    if (iterations++ >= seenRunsMax) return undefined;
    if (runs.maxUs(run) < minUs || runs.minUs(run) > maxUs) continue;
    if (overlapping.length === walkedRunsMax) return undefined;
    overlapping.push(run);
  }
  return overlapping;
}

/** The index of all entries of a stream in the head: made once, then continued from its end. */
function* entriesOf(stream: number, tenant: string, context: DedupeDeps): SlicedWork<StreamEntries> {
  const { head, hasher } = context;
  for (;;) {
    let entries = head.entries.get(stream);
    if (!entries) {
      entries = { index: new EntryIndex(hasher), newestRun: -1, bytes: 0 };
      head.entries.set(stream, entries);
    }
    try {
      yield* addRuns(entries, stream, tenant, context);
    } catch (error) {
      // Runs that it counts as indexed may be missing.
      head.forgetEntries(stream);
      throw error;
    }
    // A commit in between removes the index with its runs.
    if (head.entries.get(stream) === entries || !head.has(stream, tenant)) return entries;
  }
}

/** Adds the runs that came since the last time, oldest first. */
function* addRuns(
  entries: StreamEntries,
  stream: number,
  tenant: string,
  { head, blocks }: DedupeDeps,
): SlicedWork<void> {
  const places: ReturnType<Head['placeOf']>[] = [];
  const newest = head.newestRun(stream);
  for (let run = newest; run > entries.newestRun; run = head.runs.previous(run)) {
    places.push(head.placeOf(run));
  }
  // Before any await: a commit renumbers runs, this one included.
  entries.newestRun = newest;
  for (const { record, block: at, run } of places.reverse()) {
    if (head.entries.get(stream) !== entries) return;
    const source = () => {
      const block = blocks.get(record, tenant, at);
      return rowsOf(block, block.info, run);
    };
    try {
      yield* entries.index.add(source);
    } catch (error) {
      if (!isDamage(error)) throw error;
      // The block's own flush finds the damage; there is nothing to compare with here.
    }
    head.weighEntries(stream, entries);
  }
}

function rowsOf(block: Block, info: BlockInfo, run: number): RunRows {
  return { block, first: info.runs.firstRow[run], end: info.runs.firstRow[run + 1] };
}
