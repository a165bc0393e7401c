/** Collects the best rows of a log leaf in columns: step *fetch, scan* of a query. */
import type { LabelSet, LeafStats, LogLeafResult } from '@loki/ports';
import { labelSetBytes } from '../common/memory-budget.ts';
import type { MemoryBudget } from '../common/memory-budget.ts';
import type { BaseLabels } from '../pipeline/base-labels.ts';
import type { Row } from '../pipeline/row.ts';
import { compareStreams, labelSetOf } from './stream-pairs.ts';

/** The place of a row, which orders rows of one stream with equal time. */
interface RowPlace {
  /** Index of the source, in order of arrival. */
  readonly sourceIndex: number;
  readonly blockIndex: number;
  readonly row: number;
}

/** Bytes of all columns of one row, without its line. */
const rowBytes = 44;
/** Most unused label sets before they are removed. */
const unusedSetsMax = 10_000;

/** Initial capacity: many leaves have few rows or none. */
const rowsAtFirst = 32;
const lineBytesAtFirst = 2048;

/** Exceeds every row number of a block. */
const rowsPerBlock = 2 ** 26;

/**
 * The rows that may be in the answer, as columns. With a limit the worst rows are removed from time to time:
 * it has at most twice the limit of rows, and `bound` tells which rows can no longer be among the best.
 */
export class LogRows {
  readonly #limit: number;
  readonly #isForward: boolean;
  #labelSets: LabelSet[] = [];
  #labelSetOfKey = new Map<string, number>();
  /** Bases whose `outcome` is a label set of this result. */
  #settledBases: BaseLabels[] = [];
  /** Charged bytes of the label sets. */
  #setBytes = 0;
  #count = 0;
  #capacity = rowsAtFirst;
  #timestampNs = new BigInt64Array(rowsAtFirst);
  /**
   * Times relative to the first row as doubles, which compare fast. Beyond 104 days they are rounded but
   * still in order.
   */
  #time = new Float64Array(rowsAtFirst);
  #originNs: bigint | undefined;
  #labelSet = new Uint32Array(rowsAtFirst);
  #source = new Uint32Array(rowsAtFirst);
  /** Block and row in one number. */
  #place = new Float64Array(rowsAtFirst);
  #lineStart = new Float64Array(rowsAtFirst);
  #lineLength = new Uint32Array(rowsAtFirst);
  #lines = Buffer.allocUnsafe(lineBytesAtFirst);
  #lineBytes = 0;
  #bound: bigint | undefined;
  readonly #memory: MemoryBudget;

  constructor(limit: number, direction: 'forward' | 'backward', memory: MemoryBudget) {
    this.#limit = limit;
    this.#memory = memory;
    this.#isForward = direction === 'forward';
  }

  /**
   * Timestamp of the worst row that certainly stays; a row beyond it cannot be in the answer. undefined:
   * every row can.
   */
  get bound(): bigint | undefined {
    return this.#bound;
  }

  add(row: Row, place: RowPlace): void {
    if (this.#count === this.#capacity) this.#grow();
    const at = this.#count++;
    const { bytes, start, end } = row;
    const length = end - start;
    const { timestampNs } = row;
    this.#originNs ??= timestampNs;
    this.#timestampNs[at] = timestampNs;
    this.#time[at] = Number(timestampNs - this.#originNs);
    this.#labelSet[at] = this.#labelSetOf(row);
    this.#source[at] = place.sourceIndex;
    this.#place[at] = place.blockIndex * rowsPerBlock + place.row;
    if (this.#lineBytes + length > this.#lines.length) this.#growLines(length);
    bytes.copy(this.#lines, this.#lineBytes, start, end);
    this.#lineStart[at] = this.#lineBytes;
    this.#lineLength[at] = length;
    this.#lineBytes += length;
    if (this.#limit > 0 && this.#count >= 2 * this.#limit) this.prune();
  }

  /** Removes rows beyond the limit. */
  prune(): void {
    if (this.#limit === 0 || this.#count < this.#limit) return;
    // No row was added since the last call.
    if (this.#count === this.#limit && this.#bound !== undefined) return;
    const order = this.#order().subarray(0, this.#limit);
    this.#reorder(order);
    if (this.#labelSets.length > 2 * this.#count + unusedSetsMax) this.#forgetUnusedSets();
    this.#bound = this.#timestampNs[this.#count - 1];
  }

  finish(stats: LeafStats): LogLeafResult {
    const order = this.#order();
    const count = this.#limit > 0 ? Math.min(this.#limit, order.length) : order.length;
    const timestampNs = new BigInt64Array(count);
    const labelSet = new Uint32Array(count);
    const lineEnds = new Uint32Array(count);
    const used = new Map<number, number>();
    let size = 0;
    for (let i = 0; i < count; i++) size += this.#lineLength[order[i]];
    this.#memory.charge(size + count * rowBytes);
    const lines = new Uint8Array(size);
    let end = 0;
    for (let i = 0; i < count; i++) {
      const at = order[i];
      timestampNs[i] = this.#timestampNs[at];
      let set = used.get(this.#labelSet[at]);
      if (set === undefined) used.set(this.#labelSet[at], (set = used.size));
      labelSet[i] = set;
      this.#lines.copy(lines, end, this.#lineStart[at], this.#lineStart[at] + this.#lineLength[at]);
      end += this.#lineLength[at];
      lineEnds[i] = end;
    }
    const labelSets = [...used.keys()].map((index) => this.#labelSets[index]);
    return { kind: 'log', labelSets, labelSet, timestampNs, lineEnds, lines, stats };
  }

  /** Row numbers in answer order. */
  #order(): Uint32Array {
    const order = new Uint32Array(this.#count);
    for (let i = 0; i < order.length; i++) order[i] = i;
    return order.sort((a, b) => this.#compare(a, b));
  }

  #compare(a: number, b: number): number {
    const timeDifference = this.#time[a] - this.#time[b];
    if (timeDifference !== 0) return this.#isForward ? timeDifference : -timeDifference;
    if (Math.abs(this.#time[a]) > Number.MAX_SAFE_INTEGER && this.#timestampNs[a] !== this.#timestampNs[b]) {
      return this.#timestampNs[a] < this.#timestampNs[b] === this.#isForward ? -1 : 1;
    }
    const byStream = compareStreams(this.#labelSets[this.#labelSet[a]], this.#labelSets[this.#labelSet[b]]);
    if (byStream !== 0) return byStream;
    const byArrival = this.#source[a] - this.#source[b] || this.#place[a] - this.#place[b];
    return this.#isForward ? byArrival : -byArrival;
  }

  #labelSetOf(row: Row): number {
    if (row.isUnchanged) {
      if (row.base.outcome < 0) {
        row.base.outcome = this.#keepSet(row, 0);
        this.#settledBases.push(row.base);
      }
      return row.base.outcome;
    }
    const key = row.labelKey();
    let index = this.#labelSetOfKey.get(key);
    if (index === undefined) {
      index = this.#keepSet(row, key.length);
      this.#labelSetOfKey.set(key, index);
    }
    return index;
  }

  #keepSet(row: Row, keyChars: number): number {
    const set = labelSetOf(row);
    const bytes = labelSetBytes(set) + keyChars;
    this.#memory.charge(bytes);
    this.#setBytes += bytes;
    return this.#labelSets.push(set) - 1;
  }

  /** Removes label sets of removed rows. Lines with an id in each have one label set per scanned line. */
  #forgetUnusedSets(): void {
    const placeOf = new Map<number, number>();
    for (let i = 0; i < this.#count; i++) {
      const set = this.#labelSet[i];
      let place = placeOf.get(set);
      if (place === undefined) placeOf.set(set, (place = placeOf.size));
      this.#labelSet[i] = place;
    }
    this.#labelSets = [...placeOf.keys()].map((set) => this.#labelSets[set]);
    const keys = this.#labelSetOfKey;
    this.#labelSetOfKey = new Map();
    this.#memory.release(this.#setBytes);
    this.#setBytes = 0;
    for (const set of this.#labelSets) this.#setBytes += labelSetBytes(set);
    for (const [key, set] of keys) {
      const place = placeOf.get(set);
      if (place === undefined) continue;
      this.#labelSetOfKey.set(key, place);
      this.#setBytes += key.length;
    }
    this.#memory.charge(this.#setBytes);
    this.#settledBases = this.#settledBases.filter((base) => {
      base.outcome = placeOf.get(base.outcome) ?? -1;
      return base.outcome >= 0;
    });
  }

  #reorder(order: Uint32Array): void {
    const count = order.length;
    const lines = Buffer.allocUnsafe(this.#lines.length);
    const timestampNs = new BigInt64Array(this.#capacity);
    const time = new Float64Array(this.#capacity);
    const labelSet = new Uint32Array(this.#capacity);
    const source = new Uint32Array(this.#capacity);
    const place = new Float64Array(this.#capacity);
    const lineStart = new Float64Array(this.#capacity);
    const lineLength = new Uint32Array(this.#capacity);
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const at = order[i];
      timestampNs[i] = this.#timestampNs[at];
      time[i] = this.#time[at];
      labelSet[i] = this.#labelSet[at];
      source[i] = this.#source[at];
      place[i] = this.#place[at];
      lineStart[i] = bytes;
      lineLength[i] = this.#lineLength[at];
      bytes += this.#lines.copy(
        lines,
        bytes,
        this.#lineStart[at],
        this.#lineStart[at] + this.#lineLength[at],
      );
    }
    this.#count = count;
    this.#timestampNs = timestampNs;
    this.#time = time;
    this.#labelSet = labelSet;
    this.#source = source;
    this.#place = place;
    this.#lineStart = lineStart;
    this.#lineLength = lineLength;
    this.#lines = lines;
    this.#lineBytes = bytes;
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    this.#memory.charge(this.#capacity * rowBytes);
    this.#timestampNs = grown(this.#timestampNs, new BigInt64Array(capacity));
    this.#time = grown(this.#time, new Float64Array(capacity));
    this.#labelSet = grown(this.#labelSet, new Uint32Array(capacity));
    this.#source = grown(this.#source, new Uint32Array(capacity));
    this.#place = grown(this.#place, new Float64Array(capacity));
    this.#lineStart = grown(this.#lineStart, new Float64Array(capacity));
    this.#lineLength = grown(this.#lineLength, new Uint32Array(capacity));
    this.#capacity = capacity;
  }

  #growLines(addedBytes: number): void {
    const size = Math.max(this.#lines.length * 2, this.#lineBytes + addedBytes);
    this.#memory.charge(size - this.#lines.length);
    const lines = Buffer.allocUnsafe(size);
    this.#lines.copy(lines, 0, 0, this.#lineBytes);
    this.#lines = lines;
  }
}

function grown<T extends BigInt64Array | Uint32Array | Float64Array>(from: T, to: T): T {
  (to as Float64Array).set(from as Float64Array);
  return to;
}
