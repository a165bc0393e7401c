/** Compares entries of decoded blocks. */
import { LokiError } from '@loki/model';
import type { Block } from '@loki/segment';

/** Rows first .. end of one run in a decoded block; their timestamps ascend. */
export interface RunRows {
  readonly block: Block;
  readonly first: number;
  readonly end: number;
}

/** The first row of from .. end whose timestamp is not that of row `from`. */
export function endOfEqual(timestamps: Float64Array, from: number, end: number): number {
  let at = from + 1;
  while (at < end && timestamps[at] === timestamps[from]) at++;
  return at;
}

/**
 * Compares entries whose timestamps are equal. Cheapest column first: each is decoded only when the previous
 * ones were equal.
 */
export function isSameEntry(a: Block, i: number, b: Block, j: number): boolean {
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
  const aPairs = metadataOf(a, i);
  const bPairs = metadataOf(b, j);
  return aPairs.length === bPairs.length && aPairs.every((text, k) => text === bPairs[k]);
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

/** Throws `corrupt` when any column of the block is damaged. */
export function decodeWhole(block: Block): void {
  block.timestamps();
  block.lineEnds();
  block.lines();
  block.metadata();
}

export function isDamage(error: unknown): boolean {
  return error instanceof LokiError && error.code === 'corrupt';
}
