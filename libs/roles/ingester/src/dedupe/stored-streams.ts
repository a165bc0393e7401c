/** Searches rows of a stream in committed segments: a part of dropping repeated entries. */
import { BoundedMap, mib } from '@loki/model';
import type { Labels } from '@loki/model';
import { inSlices } from '@loki/ports';
import type { Clock, Timers } from '@loki/ports';
import { columns } from '@loki/segment';
import type { Block, ColumnMask, Section, StoredSegment } from '@loki/segment';
import { usAt, usBase } from '../common/time.ts';
import { WeighedCache } from '../common/weighed-cache.ts';
import { entryColumns } from '../head/decoded-blocks.ts';
import type { EntryHasher } from '../head/entry-hasher.ts';
import { EntryIndex } from '../head/entry-index.ts';
import type { RunRows } from '../head/same-entry.ts';
import { markSameRows } from './same-rows.ts';

/** A stream of a stored segment. */
interface StoredStream {
  readonly segment: StoredSegment;
  readonly section: Section;
  readonly stream: number;
}

/** An incoming run, and the marks of its block, one byte a row. */
interface MarkedRun {
  readonly rows: RunRows;
  readonly marks: Uint8Array;
}

interface StoredStreamsOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly hasher: EntryHasher;
}

/**
 * Late runs of one stream that are walked side by side with a segment's runs. With more, the entries of the
 * segment are indexed: late pushes would each read the stored rows of their time again. A run of many rows
 * counts for several.
 */
const walkedRunsMax = 8;
const rowsPerWalkedRun = 512;
/** Streams of segments whose late runs are counted. */
const countedMax = 4096;
/** Decoded blocks and indexes for comparison, for each partition. */
const blocksBytesMax = 8 * mib;
const indicesBytesMax = 32 * mib;
/** Rows of a stream in one segment that are indexed; with more, each late run is walked. */
const indexedRowsMax = indicesBytesMax / 32;

/** Finds rows of incoming runs among the rows of committed segments. */
export class StoredStreams {
  readonly #options: StoredStreamsOptions;
  readonly #lateRuns = new BoundedMap<string, number>(countedMax);
  readonly #blocks = new WeighedCache<Block>(blocksBytesMax, (block) => block.memoryBytes());
  readonly #indices = new WeighedCache<IndexedRuns>(indicesBytesMax, ({ index }) => index.memoryBytes);

  constructor(options: StoredStreamsOptions) {
    this.#options = options;
  }

  /** Marks rows that the stored stream has. */
  async mark(stored: StoredStream, run: MarkedRun, signal?: AbortSignal): Promise<number> {
    const key = `${stored.segment.key} ${stored.section.tenant} ${stored.stream}`;
    const weight = 1 + Math.floor((run.rows.end - run.rows.first) / rowsPerWalkedRun);
    const lateRuns = (this.#lateRuns.get(key) ?? 0) + weight;
    this.#lateRuns.set(key, lateRuns);
    if (lateRuns <= walkedRunsMax || rowCountOf(stored) > indexedRowsMax) {
      return this.#markByRuns(stored, run, signal);
    }
    let indexed = this.#indices.get(key);
    if (!indexed) {
      indexed = {
        index: new EntryIndex(this.#options.hasher, { isCrowded: true }),
        runs: [],
        whole: new Set(),
      };
      this.#indices.set(key, indexed);
    }
    await this.#index(stored, indexed, run, signal);
    return this.#markByIndex(stored, indexed, run, signal);
  }

  /** The segment's read was damaged: its blocks decode their columns later, and would stay damaged. */
  forget(segmentKey: string): void {
    this.#blocks.deleteAll(`${segmentKey} `);
    this.#indices.deleteAll(`${segmentKey} `);
  }

  async #markByRuns(stored: StoredStream, { rows, marks }: MarkedRun, signal?: AbortSignal): Promise<number> {
    const { hasher } = this.#options;
    let marked = 0;
    for (const { block: at, run } of runsOf(stored)) {
      if (!overlaps(rows, stored.section, at, run)) continue;
      const times = await this.#block(stored, at, { mask: columns.timestamps, signal });
      if (!sharesTimestamp(rows, rowsOf(times, run))) continue;
      const block = await this.#block(stored, at, { mask: entryColumns, signal });
      marked += await inSlices(markSameRows(rows, rowsOf(block, run), marks, hasher), this.#options);
    }
    return marked;
  }

  /**
   * Indexes the stored runs that overlap the incoming one in time. Lines that are late by seconds overlap the
   * last of a stream's runs: an index of all of them would be made anew for each late run of one stream among
   * several that do not fit into the cache together.
   */
  async #index(
    stored: StoredStream,
    { index, runs, whole }: IndexedRuns,
    { rows }: MarkedRun,
    signal?: AbortSignal,
  ): Promise<void> {
    for (const place of runsOf(stored)) {
      const name = `${place.block} ${place.run}`;
      if (whole.has(name) || !overlaps(rows, stored.section, place.block, place.run)) continue;
      let block: Block | undefined = await this.#block(stored, place.block, { mask: entryColumns, signal });
      runs.push(place);
      await inSlices(
        index.add(() => rowsOf(block!, place.run)),
        this.#options,
      );
      // Otherwise the index would keep the block's lines in memory.
      block = undefined;
      whole.add(name);
    }
  }

  async #markByIndex(
    stored: StoredStream,
    { index, runs }: IndexedRuns,
    { rows, marks }: MarkedRun,
    signal?: AbortSignal,
  ): Promise<number> {
    const matches = await inSlices(index.matches(rows, marks), this.#options);
    let marked = 0;
    for (const [source, ofSource] of matches) {
      const block = await this.#block(stored, runs[source].block, { mask: entryColumns, signal });
      marked += await inSlices(index.compare(ofSource, { block: rows.block, marks }, block), this.#options);
    }
    return marked;
  }

  async #block(
    { segment, section }: StoredStream,
    index: number,
    { mask, signal }: { readonly mask: ColumnMask; readonly signal: AbortSignal | undefined },
  ): Promise<Block> {
    const key = `${segment.key} ${section.tenant} ${index}`;
    const whole = this.#blocks.get(key);
    if (whole) return whole;
    const block = await segment.fetchBlock(section, index, mask, { signal });
    if (mask === entryColumns) this.#blocks.set(key, block);
    return block;
  }
}

/** A run of a section: its block, and its place in the block. */
interface RunPlace {
  readonly block: number;
  readonly run: number;
}

/** Entries of a stream in a segment; sources of the index are the runs, in this order. */
interface IndexedRuns {
  readonly index: EntryIndex;
  readonly runs: RunPlace[];
  /** Block and run of the runs that are indexed to their ends. */
  readonly whole: Set<string>;
}

function runsOf({ section, stream }: StoredStream): RunPlace[] {
  const runs: RunPlace[] = [];
  for (const { index, runs: ofBlock } of section.blocks) {
    for (let run = 0; run < ofBlock.count; run++) {
      if (ofBlock.stream[run] === stream) runs.push({ block: index, run });
    }
  }
  return runs;
}

function rowCountOf({ section, stream }: StoredStream): number {
  let count = 0;
  for (const { runs } of section.blocks) {
    for (let run = 0; run < runs.count; run++) {
      if (runs.stream[run] === stream) count += runs.firstRow[run + 1] - runs.firstRow[run];
    }
  }
  return count;
}

function rowsOf(block: Block, run: number): RunRows {
  const { firstRow } = block.info.runs;
  return { block, first: firstRow[run], end: firstRow[run + 1] };
}

function overlaps(rows: RunRows, section: Section, index: number, run: number): boolean {
  const { baseNs, runs } = section.blocks.find((info) => info.index === index)!;
  const incomingBase = usBase(rows.block.info.baseNs);
  const storedBase = usBase(baseNs);
  const timestamps = rows.block.timestamps();
  return (
    usAt(storedBase, runs.minTs[run]) <= usAt(incomingBase, timestamps[rows.end - 1]) &&
    usAt(storedBase, runs.maxTs[run]) >= usAt(incomingBase, timestamps[rows.first])
  );
}

/** Whether both sides share a timestamp; both ascend. */
function sharesTimestamp(a: RunRows, b: RunRows): boolean {
  const delta = Number(b.block.info.baseNs - a.block.info.baseNs);
  const aTimes = a.block.timestamps();
  const bTimes = b.block.timestamps();
  let i = a.first;
  let j = b.first;
  while (i < a.end && j < b.end) {
    const difference = aTimes[i] - (bTimes[j] + delta);
    if (difference === 0) return true;
    if (difference < 0) i++;
    else j++;
  }
  return false;
}

/**
 * Finds a stream of a section by its labels. Walks the shortest posting list of its labels and compares whole
 * label sets there: a list is short when any label is selective, and an absent stream usually lacks a value.
 */
export function findStream(section: Section, labels: Labels): number | undefined {
  const { labelIndex, streams } = section;
  let shortest: Uint32Array | undefined;
  for (const [name, value] of labels) {
    const at = labelIndex.values(name).indexOf(value);
    if (at < 0) return undefined;
    const postings = labelIndex.streamsWith(name, at);
    if (!shortest || postings.length < shortest.length) shortest = postings;
  }
  if (!shortest) {
    for (let i = 0; i < streams.count; i++) if (streams.labels(i).size === 0) return i;
    return undefined;
  }
  for (const index of shortest) if (streams.labels(index).equals(labels)) return index;
  return undefined;
}
