/** Pieces of runs to merge: their order and their bounds in time. */
import type { Segment } from '../format/types.ts';
import type { MergeSource } from './merge-source.ts';

/** A segment, or its bytes with its name for errors. */
export type MergeInput = Segment | { readonly bytes: Uint8Array; readonly name?: string };

/** Rows of one run that lie within one slice of one era. */
export interface Piece {
  readonly source: MergeSource;
  readonly stream: number;
  readonly era: number;
  /** Counted within the era; most have one. */
  readonly slice: number;
  readonly from: number;
  readonly to: number;
  /** ns from the era's start to the block's base. */
  readonly shift: number;
}

/** Whether the pieces follow each other in time, without equal timestamps in two of them. */
export function areInOrder(pieces: readonly Piece[]): boolean {
  let last = -Infinity;
  for (const { source, from, to, shift } of pieces) {
    if (pieces.length === 1) return true;
    const times = source.block.timestamps();
    if (times[from] + shift <= last) return false;
    last = times[to - 1] + shift;
  }
  return true;
}

/** Index of the piece that contains row `id`, counted over all pieces. */
export function pieceOf(starts: readonly number[], id: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (starts[middle] <= id) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** First row in [from, to) whose time is at least `least`. */
export function firstAtLeast(times: Float64Array, from: number, to: number, least: number): number {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle] < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
