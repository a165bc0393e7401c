/** Marks rows that have an equal entry in another run: a part of dropping repeated entries. */
import type { SlicedWork } from '@loki/ports';
import type { EntryHasher } from '../head/entry-hasher.ts';
import { EntryIndex } from '../head/entry-index.ts';
import { endOfEqual, isSameEntry } from '../head/same-entry.ts';
import type { RunRows } from '../head/same-entry.ts';

/** Pairs of rows with equal timestamps that are compared one by one; with more, entries are hashed first. */
const pairsMax = 1024;

/** Timestamps are doubles relative to their block; blocks whose bases are further apart have no equal row. */
const deltaMax = 2 ** 53;

/** Timestamps that are walked between two looks at the clock: some 10 µs. */
const rowsPerSlice = 4096;

/**
 * Marks each row of `rows` that has an equal entry (timestamp, line, structured metadata) in `others`.
 *
 * Both are sorted by time, so a walk side by side finds equal timestamps: O(rows + others) steps on the
 * timestamp columns alone. Lengths are compared only where timestamps are equal; lines are decompressed and
 * compared only where lengths are equal too. A large group of n × m equal timestamps costs n + m hashes,
 * never n × m.
 *
 * @param marks one byte for each row of rows.block, 1: duplicate
 * @returns number of newly marked rows
 */
export function* markSameRows(
  rows: RunRows,
  others: RunRows,
  marks: Uint8Array,
  hasher: EntryHasher,
): SlicedWork<number> {
  const deltaNs = others.block.info.baseNs - rows.block.info.baseNs;
  if (deltaNs > deltaMax || deltaNs < -deltaMax) return 0;
  const delta = Number(deltaNs);
  const timestamps = rows.block.timestamps();
  const theirs = others.block.timestamps();
  let marked = 0;
  let i = rows.first;
  let j = lowerBound(theirs, others.first, others.end, timestamps[i] - delta);
  for (let steps = 1; i < rows.end && j < others.end; steps++) {
    const difference = timestamps[i] - (theirs[j] + delta);
    if (difference < 0) i++;
    else if (difference > 0) j++;
    else {
      const iEnd = endOfEqual(timestamps, i, rows.end);
      const jEnd = endOfEqual(theirs, j, others.end);
      const group = { ...rows, first: i, end: iEnd };
      const candidates = { ...others, first: j, end: jEnd };
      const isLarge = (iEnd - i) * (jEnd - j) > pairsMax;
      if (isLarge) marked += yield* markByHash(group, candidates, marks, hasher);
      else marked += markByPairs(group, candidates, marks);
      i = iEnd;
      j = jEnd;
    }
    if (steps % rowsPerSlice === 0) yield;
  }
  return marked;
}

/** All rows of both sides have one timestamp. */
function markByPairs(rows: RunRows, others: RunRows, marks: Uint8Array): number {
  let marked = 0;
  for (let i = rows.first; i < rows.end; i++) {
    if (marks[i]) continue;
    for (let j = others.first; j < others.end; j++) {
      if (!isSameEntry(rows.block, i, others.block, j)) continue;
      marks[i] = 1;
      marked++;
      break;
    }
  }
  return marked;
}

function* markByHash(
  rows: RunRows,
  others: RunRows,
  marks: Uint8Array,
  hasher: EntryHasher,
): SlicedWork<number> {
  const index = new EntryIndex(hasher);
  yield* index.add(() => others);
  return yield* index.mark(rows, marks);
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
