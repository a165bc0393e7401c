import { hash64Bytes } from '@loki/model';
import type { Block } from '@loki/segment';

/** Rows first .. end of one run in a decoded block; their timestamps ascend. */
export interface RunRows {
  readonly block: Block;
  readonly first: number;
  readonly end: number;
}

/** Pairs of rows with equal timestamps that are compared one by one; above it lines are hashed first. */
const pairsMax = 1024;

/** Timestamps are doubles relative to their block; bases further apart than this share no row. */
const deltaMax = 2 ** 53;

/**
 * Marks in `found` each row of `rows` that has an equal entry (timestamp, line, structured metadata) in
 * `others`.
 *
 * Both are sorted by time, so equal timestamps are found by walking them side by side: O(rows + others) steps
 * on the timestamp columns alone. Only where timestamps are equal are lengths looked at, and only where those
 * are equal too are lines decompressed and compared. A group of n × m equal timestamps costs n + m hashes
 * when it is large, never n × m.
 *
 * @param found  one byte for each row of rows.block, 1: duplicate
 * @returns      how many rows were newly marked
 */
export function markSameRows(rows: RunRows, others: RunRows, found: Uint8Array): number {
  const deltaNs = others.block.info.baseNs - rows.block.info.baseNs;
  if (deltaNs > deltaMax || deltaNs < -deltaMax) return 0;
  const delta = Number(deltaNs);
  const mine = rows.block.timestamps();
  const theirs = others.block.timestamps();
  let marked = 0;
  let i = rows.first;
  let j = lowerBound(theirs, others.first, others.end, mine[i] - delta);
  while (i < rows.end && j < others.end) {
    const difference = mine[i] - (theirs[j] + delta);
    if (difference < 0) i++;
    else if (difference > 0) j++;
    else {
      const iEnd = endOfEqual(mine, i, rows.end);
      const jEnd = endOfEqual(theirs, j, others.end);
      marked += markGroup({ ...rows, first: i, end: iEnd }, { ...others, first: j, end: jEnd }, found);
      i = iEnd;
      j = jEnd;
    }
  }
  return marked;
}

/** All rows of both sides have one timestamp. */
function markGroup(rows: RunRows, others: RunRows, found: Uint8Array): number {
  const pairs = (rows.end - rows.first) * (others.end - others.first);
  const byHash = pairs > pairsMax ? rowsByHash(others) : undefined;
  let marked = 0;
  for (let i = rows.first; i < rows.end; i++) {
    if (found[i]) continue;
    if (byHash ? hasSameHashed(rows.block, i, others.block, byHash) : hasSame(rows.block, i, others)) {
      found[i] = 1;
      marked++;
    }
  }
  return marked;
}

function hasSame(block: Block, row: number, others: RunRows): boolean {
  for (let j = others.first; j < others.end; j++) if (isSameEntry(block, row, others.block, j)) return true;
  return false;
}

function hasSameHashed(block: Block, row: number, other: Block, byHash: Map<bigint, number[]>): boolean {
  const candidates = byHash.get(hash64Bytes(lineOf(block, row)));
  return candidates?.some((candidate) => isSameEntry(block, row, other, candidate)) ?? false;
}

function rowsByHash(rows: RunRows): Map<bigint, number[]> {
  const map = new Map<bigint, number[]>();
  for (let row = rows.first; row < rows.end; row++) {
    const hash = hash64Bytes(lineOf(rows.block, row));
    const list = map.get(hash);
    if (list) list.push(row);
    else map.set(hash, [row]);
  }
  return map;
}

/**
 * Timestamps are equal already. Cheapest column first: each is decoded when the one before did not decide.
 */
function isSameEntry(a: Block, i: number, b: Block, j: number): boolean {
  const aEnds = a.lineEnds();
  const bEnds = b.lineEnds();
  const aStart = i === 0 ? 0 : aEnds[i - 1];
  const bStart = j === 0 ? 0 : bEnds[j - 1];
  if (aEnds[i] - aStart !== bEnds[j] - bStart) return false;
  if (a.lines().compare(b.lines(), bStart, bEnds[j], aStart, aEnds[i]) !== 0) return false;
  return isSameMetadata(a, i, b, j);
}

function isSameMetadata(a: Block, i: number, b: Block, j: number): boolean {
  const aHas = a.info.metadataNames.length > 0;
  const bHas = b.info.metadataNames.length > 0;
  if (!aHas && !bHas) return true;
  const left = metadataOf(a, i);
  const right = metadataOf(b, j);
  return left.length === right.length && left.every((text, k) => text === right[k]);
}

/** Names and values of a row, flat, sorted by name. */
function metadataOf(block: Block, row: number): string[] {
  if (block.info.metadataNames.length === 0) return [];
  const { columns, starts, column, code } = block.rowMetadata();
  const pairs: string[] = [];
  for (let k = starts[row]; k < starts[row + 1]; k++) {
    const { name, values } = columns[column[k]];
    pairs.push(name, values[code[k] - 1]);
  }
  return pairs;
}

function lineOf(block: Block, row: number): Buffer {
  const ends = block.lineEnds();
  return block.lines().subarray(row === 0 ? 0 : ends[row - 1], ends[row]);
}

function endOfEqual(timestamps: Float64Array, from: number, end: number): number {
  let at = from + 1;
  while (at < end && timestamps[at] === timestamps[from]) at++;
  return at;
}

/** First index in from .. end whose timestamp is at least `value`. */
function lowerBound(timestamps: Float64Array, from: number, end: number, value: number): number {
  let low = from;
  let high = end;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timestamps[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
