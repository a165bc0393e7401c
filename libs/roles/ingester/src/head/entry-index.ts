/** Index of a stream's entries by hash, for streams with many overlapping runs. */
import { lengthen } from '@loki/bytes';
import type { SlicedWork } from '@loki/ports';
import type { Block } from '@loki/segment';
import { restNsAt, usAt, usBase } from '../common/time.ts';
import type { EntryHasher } from './entry-hasher.ts';
import { endOfEqual, isDamage, isSameEntry } from './same-entry.ts';
import type { RunRows } from './same-entry.ts';

/** Returns a run in its decoded block, when the index needs its entries. */
type RunSource = () => RunRows;

/** A row, and an entry with the same hash. */
interface Match {
  readonly row: number;
  readonly entry: number;
}

/** Matches by the run of the entry: its position among the added runs. */
type MatchesBySource = ReadonlyMap<number, readonly Match[]>;

/** An incoming block with a mark for each row, one byte each. */
interface MarkedRows {
  readonly block: Block;
  readonly marks: Uint8Array;
}

/**
 * Entries of one timestamp that are compared one by one; when there are more, lines and metadata are hashed
 * too.
 */
const momentMax = 16;

/** Rows between two looks at the clock: some hundred nanoseconds each, and as much for each few pairs. */
const rowsPerSlice = 1024;
const namesPerRow = 8;

/** The same for rows that may have much metadata. */
function rowsBetweenLooks({ info }: Block): number {
  return Math.ceil(rowsPerSlice / (1 + info.metadataNames.length / namesPerRow));
}

const bytesPerEntry = 16;
const bytesPerBucket = 4;
/** Bytes of a source and its closure. */
const bytesPerSource = 128;
const bytesPerMoment = 48;

/**
 * Entries of one stream by their hash: the cost of a lookup does not depend on the number of entries. A walk
 * over the runs that overlap in time costs less while there are few.
 *
 * An entry's key is its time, so that only timestamps have to be decoded. A timestamp with many entries is
 * *crowded*: the key of its entries is time, line and metadata. Each match is compared with the entry itself.
 */
export class EntryIndex {
  readonly #hasher: EntryHasher;
  readonly #isCrowded: boolean;
  readonly #sources: RunSource[] = [];
  readonly #crowded = new Set<number>();
  #count = 0;
  /** For each entry: hash, source, row, and the next entry of the bucket, or -1. */
  #hashes = new Uint32Array(64);
  #sourceOf = new Uint32Array(64);
  #rows = new Uint32Array(64);
  #next = new Int32Array(64);
  /** The first entry of each bucket; their number is a power of two. */
  #buckets = new Int32Array(64).fill(-1);

  /** @param isCrowded treats every timestamp as crowded: blocks are decoded now instead of later */
  constructor(hasher: EntryHasher, { isCrowded = false }: { readonly isCrowded?: boolean } = {}) {
    this.#hasher = hasher;
    this.#isCrowded = isCrowded;
  }

  /** Number of added runs. */
  get runCount(): number {
    return this.#sources.length;
  }

  get memoryBytes(): number {
    const entries = this.#hashes.length * bytesPerEntry + this.#buckets.length * bytesPerBucket;
    return entries + this.#sources.length * bytesPerSource + this.#crowded.size * bytesPerMoment;
  }

  /**
   * Adds a run's entries; of an unreadable run those before the damage. Throws `corrupt`.
   *
   * @param marks one byte for each row of the run's block. Marked rows are repeats and are left out: n equal
   *   entries would all be matches of each later row
   */
  *add(source: RunSource, marks?: Uint8Array): SlicedWork<void> {
    const at = this.#sources.push(source) - 1;
    const { block, first, end } = source();
    const base = usBase(block.info.baseNs);
    const timestamps = block.timestamps();
    const perSlice = rowsBetweenLooks(block);
    for (let row = first; row < end;) {
      const sameEnd = endOfEqual(timestamps, row, end);
      const time = this.#hasher.ofTime(base, timestamps[row]);
      if (sameEnd - row > momentMax) this.#crowd(time);
      const isCrowded = this.#isCrowdedAt(time);
      for (; row < sameEnd; row++) {
        if (row % perSlice === 0) yield;
        if (marks?.[row]) continue;
        this.#insert(isCrowded ? this.#hasher.ofEntry(time, block, row) : time, at, row);
      }
    }
  }

  /**
   * Marks each row of `rows` that has an equal entry here.
   *
   * @param leavesOut whether a run may be left out because of an error
   * @returns number of newly marked rows
   */
  *mark(
    rows: RunRows,
    marks: Uint8Array,
    leavesOut: (error: unknown) => boolean = () => false,
  ): SlicedWork<number> {
    const { block } = rows;
    let marked = 0;
    for (const [source, ofSource] of yield* this.matches(rows, marks)) {
      try {
        const other = this.#sources[source]().block;
        marked += yield* this.compare(ofSource, { block, marks }, other);
      } catch (error) {
        if (!leavesOut(error)) throw error;
      }
    }
    return marked;
  }

  /** Unmarked rows with the hash of an entry here. The cost does not depend on the number of added runs. */
  *matches({ block, first, end }: RunRows, marks: Uint8Array): SlicedWork<MatchesBySource> {
    const base = usBase(block.info.baseNs);
    const timestamps = block.timestamps();
    const matches = new Map<number, Match[]>();
    const perSlice = rowsBetweenLooks(block);
    for (let row = first; row < end; row++) {
      if (row % perSlice === 0) yield;
      if (marks[row]) continue;
      const time = this.#hasher.ofTime(base, timestamps[row]);
      if (!this.#isCrowdedAt(time) && this.#holdsMany(time)) this.#crowd(time);
      const hash = this.#isCrowdedAt(time) ? this.#hasher.ofEntry(time, block, row) : time;
      for (let entry = this.#firstOf(hash); entry >= 0; entry = this.#next[entry]) {
        if (this.#hashes[entry] !== hash) continue;
        const source = this.#sourceOf[entry];
        const ofSource = matches.get(source);
        if (ofSource) ofSource.push({ row, entry });
        else matches.set(source, [{ row, entry }]);
      }
    }
    return matches;
  }

  /** Compares rows with their matches, which are all in the block `other`, and marks equal ones. */
  *compare(matches: readonly Match[], { block, marks }: MarkedRows, other: Block): SlicedWork<number> {
    let marked = 0;
    const perSlice = rowsBetweenLooks(block);
    for (let i = 0; i < matches.length; i++) {
      if (i % perSlice === 0) yield;
      const { row, entry } = matches[i];
      const otherRow = this.#rows[entry];
      if (marks[row] || !isSameTime(block, row, other, otherRow)) continue;
      if (!isSameEntry(block, row, other, otherRow)) continue;
      marks[row] = 1;
      marked++;
    }
    return marked;
  }

  #isCrowdedAt(time: number): boolean {
    return this.#isCrowded || this.#crowded.has(time);
  }

  #holdsMany(time: number): boolean {
    let count = 0;
    for (let entry = this.#firstOf(time); entry >= 0; entry = this.#next[entry]) {
      if (this.#hashes[entry] === time && ++count > momentMax) return true;
    }
    return false;
  }

  /** From now on the key of this timestamp's entries has line and metadata, too. */
  #crowd(time: number): void {
    if (this.#isCrowdedAt(time)) return;
    this.#crowded.add(time);
    const entries = this.#takeOut(time).sort((a, b) => this.#sourceOf[a] - this.#sourceOf[b]);
    for (const entry of entries) {
      try {
        const { block } = this.#sources[this.#sourceOf[entry]]();
        this.#link(entry, this.#hasher.ofEntry(time, block, this.#rows[entry]));
      } catch (error) {
        // An undecodable block has nothing to compare with; the flush of its head finds the damage.
        if (!isDamage(error)) throw error;
      }
    }
  }

  /** Removes all entries with a hash from their bucket. */
  #takeOut(hash: number): number[] {
    const rows: number[] = [];
    const bucket = hash & (this.#buckets.length - 1);
    let previous = -1;
    for (let entry = this.#buckets[bucket]; entry >= 0; entry = this.#next[entry]) {
      if (this.#hashes[entry] !== hash) {
        previous = entry;
        continue;
      }
      rows.push(entry);
      if (previous < 0) this.#buckets[bucket] = this.#next[entry];
      else this.#next[previous] = this.#next[entry];
    }
    return rows;
  }

  #firstOf(hash: number): number {
    return this.#buckets[hash & (this.#buckets.length - 1)];
  }

  #insert(hash: number, source: number, row: number): void {
    if (this.#count === this.#hashes.length) this.#grow();
    const entry = this.#count++;
    this.#sourceOf[entry] = source;
    this.#rows[entry] = row;
    this.#link(entry, hash);
  }

  #link(entry: number, hash: number): void {
    const bucket = hash & (this.#buckets.length - 1);
    this.#hashes[entry] = hash;
    this.#next[entry] = this.#buckets[bucket];
    this.#buckets[bucket] = entry;
  }

  #grow(): void {
    const size = this.#count * 2;
    this.#hashes = lengthen(this.#hashes, size);
    this.#sourceOf = lengthen(this.#sourceOf, size);
    this.#rows = lengthen(this.#rows, size);
    this.#next = lengthen(this.#next, size);
    this.#buckets = lengthen(this.#buckets, size).fill(-1);
    for (let entry = 0; entry < this.#count; entry++) this.#link(entry, this.#hashes[entry]);
  }
}

function isSameTime(a: Block, i: number, b: Block, j: number): boolean {
  const [aBase, bBase] = [usBase(a.info.baseNs), usBase(b.info.baseNs)];
  const [aNs, bNs] = [a.timestamps()[i], b.timestamps()[j]];
  return usAt(aBase, aNs) === usAt(bBase, bNs) && restNsAt(aBase, aNs) === restNsAt(bBase, bNs);
}
