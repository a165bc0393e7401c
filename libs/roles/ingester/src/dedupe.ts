import { LokiError } from '@loki/model';
import { columns } from '@loki/segment';
import type { Block, BlockInfo, Section, Segment } from '@loki/segment';
import type { CommittedRows } from './committed-rows.ts';
import type { FlushedBounds } from './flushed-bounds.ts';
import type { Head, HeadRecord } from './head.ts';
import { markSameRows } from './same-rows.ts';
import type { RunRows } from './same-rows.ts';
import { usAt, usBase } from './time.ts';

/** Rows of one block that are in the head or the store already, ascending. */
export interface DuplicateRows {
  readonly tenant: string;
  readonly block: number;
  readonly rows: Uint32Array;
}

export interface DedupeDeps {
  readonly head: Head;
  readonly bounds: FlushedBounds;
  readonly committed: CommittedRows;
  readonly blocks: DecodedBlocks;
  /** The partition's committed offset, asked when the store is looked into. */
  readonly committedOffset: () => number;
  readonly signal?: AbortSignal;
}

/** A run of the incoming record which begins at or before the newest known row of its stream. */
interface Suspect {
  readonly section: Section;
  readonly info: BlockInfo;
  readonly run: number;
  readonly text: string;
  readonly minUs: number;
  readonly maxUs: number;
  /** Earlier runs of the same stream in this record, as linked by `RunLinks`; -1: none. */
  readonly previous: number;
  readonly links: RunLinks;
}

/** The runs of a section, over all its blocks: which run before had the same stream. */
interface RunLinks {
  readonly block: Int32Array;
  readonly run: Int32Array;
  readonly previous: Int32Array;
}

const entryColumns = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;

/**
 * Rows of a record that repeat an entry (stream, timestamp, line, structured metadata) of the head, of the
 * committed store, or of an earlier run of the same record. The answer depends on the log's content alone:
 * every owner of the partition removes the same rows, whatever has been flushed by then.
 *
 * Cost for a run that begins after its stream's newest row, which is nearly every run: two map lookups.
 * Otherwise the stream's head runs are walked from the newest back, until all that is left is older; those
 * that overlap cost a walk over timestamps, and a decompression of both blocks where timestamps are equal.
 * Only what reaches back to flushed time reads the store.
 */
export async function findDuplicates(segment: Segment, context: DedupeDeps): Promise<DuplicateRows[]> {
  const suspects = findSuspects(segment, context);
  if (suspects.length === 0) return [];
  const views = new Map<BlockInfo, { block: Block; found: Uint8Array }>();
  const viewOf = (section: Section, info: BlockInfo) => {
    let view = views.get(info);
    if (!view) {
      const block = segment.block(section, info.index, entryColumns);
      views.set(info, (view = { block, found: new Uint8Array(info.rowCount) }));
    }
    return view;
  };
  for (const suspect of suspects) {
    const { section, info } = suspect;
    const { block, found } = viewOf(section, info);
    const rows = rowsOf(block, info, suspect.run);
    markFromSameRecord(suspect, rows, found, viewOf);
    // The head first, then the bound, then the store: rows move from head to store at any await, never back.
    markFromHead(suspect, rows, found, context);
    if (suspect.minUs > context.bounds.newestUs(section.tenant, suspect.text)) continue;
    const labels = section.streams.labels(info.runs.stream[suspect.run]);
    const late = { tenant: section.tenant, labels, rows, found };
    await context.committed.mark(late, context.committedOffset(), context.signal);
  }
  return collect(segment, (info) => views.get(info)?.found);
}

function findSuspects(segment: Segment, { head, bounds }: DedupeDeps): Suspect[] {
  const suspects: Suspect[] = [];
  for (const section of segment.sections) {
    const streamCount = section.streams.count;
    const texts: (string | undefined)[] = [];
    // Newest row of each stream: known before, or in an earlier run of this record.
    const newest = new Float64Array(streamCount);
    const lastRun = new Int32Array(streamCount).fill(-1);
    const links = runLinks(section);
    let at = 0;
    for (const info of section.blocks) {
      const base = usBase(info.baseNs);
      for (let run = 0; run < info.runs.count; run++, at++) {
        const stream = info.runs.stream[run];
        let text = texts[stream];
        if (text === undefined) {
          text = texts[stream] = section.streams.labels(stream).toString();
          const known = bounds.newestUs(section.tenant, text);
          newest[stream] = Math.max(known, head.newestUs(section.tenant, text));
        }
        const previous = (links.previous[at] = lastRun[stream]);
        lastRun[stream] = at;
        const minUs = usAt(base, info.runs.minTs[run]);
        const maxUs = usAt(base, info.runs.maxTs[run]);
        if (minUs <= newest[stream]) {
          suspects.push({ section, info, run, text, minUs, maxUs, previous, links });
        }
        newest[stream] = Math.max(newest[stream], maxUs);
      }
    }
  }
  return suspects;
}

function runLinks(section: Section): RunLinks {
  let count = 0;
  for (const info of section.blocks) count += info.runs.count;
  const block = new Int32Array(count);
  const run = new Int32Array(count);
  let at = 0;
  section.blocks.forEach((info, position) => {
    for (let r = 0; r < info.runs.count; r++, at++) {
      block[at] = position;
      run[at] = r;
    }
  });
  return { block, run, previous: new Int32Array(count) };
}

/** Earlier runs of the same stream in the record itself: two pushes that shared a group commit. */
function markFromSameRecord(
  suspect: Suspect,
  rows: RunRows,
  found: Uint8Array,
  viewOf: (section: Section, info: BlockInfo) => { block: Block },
): void {
  const { section, links } = suspect;
  for (let at = suspect.previous; at >= 0; at = links.previous[at]) {
    const info = section.blocks[links.block[at]];
    const run = links.run[at];
    const base = usBase(info.baseNs);
    if (usAt(base, info.runs.minTs[run]) > suspect.maxUs) continue;
    if (usAt(base, info.runs.maxTs[run]) < suspect.minUs) continue;
    markSameRows(rows, rowsOf(viewOf(section, info).block, info, run), found);
  }
}

function markFromHead(suspect: Suspect, rows: RunRows, found: Uint8Array, context: DedupeDeps): void {
  const stream = context.head.tenants.get(suspect.section.tenant)?.get(suspect.text);
  if (!stream) return;
  for (let i = stream.record.length - 1; i >= 0 && stream.newestUs[i] >= suspect.minUs; i--) {
    if (stream.maxUs[i] < suspect.minUs || stream.minUs[i] > suspect.maxUs) continue;
    const record = stream.record[i];
    try {
      const block = context.blocks.get(record, suspect.section.tenant, stream.block[i]);
      markSameRows(rows, rowsOf(block, block.info, stream.run[i]), found);
    } catch (error) {
      if (!(error instanceof LokiError) || error.code !== 'corrupt') throw error;
      // One of the two cannot be decoded. When it is the new one it goes into quarantine, by this same error;
      // a bad one in the head is found by its flush, and has nothing that we could compare with.
      decodeWhole(rows.block);
    }
  }
}

/** Throws `corrupt` when any column of the block is damaged. */
function decodeWhole(block: Block): void {
  block.timestamps();
  block.lineEnds();
  block.lines();
  block.metadata();
}

function rowsOf(block: Block, info: BlockInfo, run: number): RunRows {
  return { block, first: info.runs.firstRow[run], end: info.runs.firstRow[run + 1] };
}

function collect(segment: Segment, foundOf: (info: BlockInfo) => Uint8Array | undefined): DuplicateRows[] {
  const duplicates: DuplicateRows[] = [];
  for (const section of segment.sections) {
    for (const info of section.blocks) {
      const found = foundOf(info);
      if (!found?.includes(1)) continue;
      const rows: number[] = [];
      for (let row = 0; row < found.length; row++) if (found[row]) rows.push(row);
      duplicates.push({ tenant: section.tenant, block: info.index, rows: Uint32Array.from(rows) });
    }
  }
  return duplicates;
}

/**
 * Decoded blocks of head records, most recently used last. Duplicates come in streaks (a client that repeats
 * a push, a stream with coarse timestamps), so the block compared last is nearly always the one wanted next.
 */
export class DecodedBlocks {
  readonly #bytesMax: number;
  readonly #blocks = new Map<string, Block>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(record: HeadRecord, tenant: string, index: number): Block {
    const key = `${record.offset}/${index}/${tenant}`;
    let block = this.#blocks.get(key);
    if (block) this.#blocks.delete(key);
    else block = record.segment.block(record.segment.section(tenant)!, index, entryColumns);
    this.#blocks.set(key, block);
    this.#evict();
    return block;
  }

  /**
   * Blocks decode column by column, so their weight is asked anew; there are few. The one just used stays.
   */
  #evict(): void {
    let bytes = 0;
    for (const block of this.#blocks.values()) bytes += block.memoryBytes();
    for (const [key, block] of this.#blocks) {
      if (bytes <= this.#bytesMax || this.#blocks.size === 1) return;
      bytes -= block.memoryBytes();
      this.#blocks.delete(key);
    }
  }
}
