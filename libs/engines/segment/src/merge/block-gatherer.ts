/**
 * Gathers rows into blocks while segments are merged: steps *flush* of a written line and *merge* of a
 * stored day.
 */
import type { ZstdEffort } from '@loki/bytes';
import { compareText, freeMemory } from '@loki/model';
import { columnsOf, KeyDictionary } from '../columns/cells.ts';
import type { FilteredColumns } from '../filter/filter-build.ts';
import { blockRowsTarget } from '../format/format-bounds.ts';
import type { BlockFilter } from '../format/types.ts';
import type { EncodedBlock } from '../read/block-table.ts';
import { encodeBlock } from '../write/encode-block.ts';
import type { MergeSource } from './merge-source.ts';

/**
 * Time is cut into eras of 2^53 ns (104 days) since 1970: within an era times are exact doubles. A block
 * never crosses an era.
 */
export const eraNs = 2 ** 53;

/** A range of rows of one source that will be copied into the block. */
interface Copy {
  readonly source: MergeSource;
  readonly from: number;
  readonly to: number;
  /** ns to add to the source's timestamps to make them relative to the era's start. */
  readonly shift: number;
}

/** Builds the search filter of a block; undefined when a filter is not worth its bytes. */
export type FilterBuilder = (columns: FilteredColumns) => BlockFilter | undefined;

/** Room for the lines of the block under construction: one buffer serves all tenants of a merge. */
export interface LineRoom {
  bytes: Buffer;
}

interface GatherOptions {
  readonly room: LineRoom;
  readonly blockBytes: number;
  readonly effort: ZstdEffort;
  readonly buildFilter: FilterBuilder;
}

/**
 * Builds blocks from ranges of rows, in the order of the calls: streams ascending, within a stream time
 * ascending.
 */
export class BlockGatherer {
  readonly blocks: EncodedBlock[] = [];
  readonly #blockBytes: number;
  readonly #effort: ZstdEffort;
  readonly #buildFilter: FilterBuilder;
  #copies: Copy[] = [];
  #rowCount = 0;
  #lineBytes = 0;
  #era = 0;
  readonly #room: LineRoom;
  #runStream: number[] = [];
  #runFirstRow: number[] = [];

  constructor(options: GatherOptions) {
    this.#room = options.room;
    this.#blockBytes = options.blockBytes;
    this.#effort = options.effort;
    this.#buildFilter = options.buildFilter;
  }

  /** Starts an era: rows that are added from now on belong to it. */
  beginEra(era: number): void {
    this.flush();
    this.#era = era;
  }

  add(stream: number, copy: Copy): void {
    const ends = copy.source.block.lineEnds();
    for (let from = copy.from; from < copy.to;) {
      const start = from === 0 ? 0 : ends[from - 1];
      let to = Math.min(copy.to, from + blockRowsTarget - this.#rowCount);
      if (ends[to - 1] - start > this.#blockBytes - this.#lineBytes) {
        to = firstBeyond(ends, from, to, start + this.#blockBytes - this.#lineBytes);
        if (to === from && this.#rowCount === 0) to++; // one line larger than a block
      }
      if (to > from) this.#append(stream, { ...copy, from, to }, ends[to - 1] - start);
      if (to < copy.to) this.flush();
      from = to;
    }
    if (this.#rowCount >= blockRowsTarget) this.flush();
  }

  /** Finishes the current block. */
  flush(): void {
    if (this.#rowCount === 0) return;
    const { timestamps, lineEnds, lines } = this.#gatherRows();
    const runFirstRow = Uint32Array.from([...this.#runFirstRow, this.#rowCount]);
    const metadata = this.#gatherMetadata().sort((a, b) => compareText(a.name, b.name));
    const block = {
      rowCount: this.#rowCount,
      baseNs: BigInt(this.#era) * BigInt(eraNs),
      runStream: Uint32Array.from(this.#runStream),
      runFirstRow,
      timestamps,
      lineEnds,
      lines,
      metadata,
    };
    for (const { source, from, to } of this.#copies) source.release(to - from);
    const filter = this.#buildFilter({ lines, metadata });
    const encoded = encodeBlock(block, this.#effort, { filter, hasMetadataBytes: true });
    this.blocks.push(encoded.units.lines.isCompressed ? encoded : this.#withOwnLines(encoded));
    freeMemory(timestamps);
    freeMemory(lineEnds);
    this.#copies = [];
    this.#rowCount = 0;
    this.#lineBytes = 0;
    this.#runStream = [];
    this.#runFirstRow = [];
  }

  /**
   * Lines that did not become smaller are the unit's own bytes: they take the room along, or leave it when
   * they are few, as those of most tenants.
   */
  #withOwnLines(encoded: EncodedBlock): EncodedBlock {
    const { lines } = encoded.units;
    if (this.#lineBytes * 2 > this.#room.bytes.length) {
      this.#room.bytes = Buffer.alloc(0);
      return encoded;
    }
    return { ...encoded, units: { ...encoded.units, lines: { ...lines, bytes: Buffer.from(lines.bytes) } } };
  }

  #append(stream: number, copy: Copy, lineBytes: number): void {
    if (this.#runStream.at(-1) !== stream) {
      this.#runStream.push(stream);
      this.#runFirstRow.push(this.#rowCount);
    }
    this.#copies.push(copy);
    this.#rowCount += copy.to - copy.from;
    this.#lineBytes += lineBytes;
  }

  #gatherRows(): { timestamps: Float64Array; lineEnds: Uint32Array; lines: Buffer } {
    const timestamps = new Float64Array(this.#rowCount);
    const lineEnds = new Uint32Array(this.#rowCount);
    if (this.#room.bytes.length < this.#lineBytes) {
      this.#room.bytes = Buffer.allocUnsafeSlow(Math.max(this.#lineBytes, this.#blockBytes));
    }
    const lines = this.#room.bytes.subarray(0, this.#lineBytes);
    let [row, at] = [0, 0];
    for (const { source, from, to, shift } of this.#copies) {
      const times = source.block.timestamps();
      const ends = source.block.lineEnds();
      const start = from === 0 ? 0 : ends[from - 1];
      const endShift = at - start;
      for (let i = from; i < to; i++, row++) {
        timestamps[row] = times[i] + shift;
        lineEnds[row] = ends[i] + endShift;
      }
      at += source.block.lines().copy(lines, at, start, ends[to - 1]);
    }
    return { timestamps, lineEnds, lines };
  }

  #gatherMetadata() {
    let cellCount = 0;
    for (const { source, from, to } of this.#copies) {
      const metadata = source.metadata;
      if (metadata) cellCount += metadata.starts[to] - metadata.starts[from];
    }
    if (cellCount === 0) return [];
    const target = this.blocks.length;
    const keys: KeyDictionary[] = [];
    const byName = new Map<string, number>();
    const keyOf = (name: string) => {
      let key = byName.get(name);
      if (key === undefined) byName.set(name, (key = keys.push(new KeyDictionary(name)) - 1));
      return key;
    };
    const ends = new Uint32Array(this.#rowCount);
    const cellKey = new Uint32Array(cellCount);
    const cellCode = new Uint32Array(cellCount);
    let [row, at] = [0, 0];
    for (const { source, from, to } of this.#copies) {
      const metadata = source.metadata;
      if (!metadata) {
        ends.fill(at, row, row + to - from);
        row += to - from;
        continue;
      }
      const { starts, columns, column, code } = metadata;
      for (let i = from; i < to; i++) {
        for (let cell = starts[i]; cell < starts[i + 1]; cell++) {
          const { key, codes } = source.remapFor(column[cell], target, keyOf);
          const targetCode = codes[code[cell]];
          cellKey[at] = key;
          cellCode[at++] =
            targetCode === 0
              ? (codes[code[cell]] = keys[key].code(columns[column[cell]].values[code[cell] - 1]))
              : targetCode;
        }
        ends[row++] = at;
      }
    }
    return columnsOf({ keys, ends, key: cellKey, code: cellCode }, this.#rowCount);
  }
}

/** First row in [from, to) whose end is beyond `limit`. */
function firstBeyond(ends: Uint32Array, from: number, to: number, limit: number): number {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
