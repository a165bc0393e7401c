/** Searches the lines of a block for a text: step *fetch, scan* of a query. */
import { NeedleSearch } from '@loki/bytes';

const searches = new WeakMap<Buffer, NeedleSearch>();

/**
 * Rows in [from, to) of a block whose line contains `needle`, ascending.
 *
 * Searches the bytes of all rows at once and maps hits to rows: cheaper than one search per line unless
 * nearly every line contains the needle (leaf.bench.ts).
 *
 * @param ends   exclusive line ends of the block
 * @param needle not empty
 * @param out    room for to - from rows
 * @returns the number of rows in `out`
 */
export function rowsContaining(
  lines: Buffer,
  ends: Uint32Array,
  from: number,
  to: number,
  needle: Buffer,
  out: Uint32Array,
): number {
  if (from >= to) return 0;
  const limit = ends[to - 1];
  const haystack = limit === lines.length ? lines : lines.subarray(0, limit);
  const search = searches.get(needle) ?? NeedleSearch.for(needle, false);
  // A needle that is too long for the kernel is searched with Buffer.indexOf.
  if (!search) return rowsOfHits(ends, from, to, needle.length, out, (at) => haystack.indexOf(needle, at));
  searches.set(needle, search);
  search.start(haystack);
  return rowsOfHits(ends, from, to, needle.length, out, (at) => search.next(at));
}

/** Maps hits to rows. `next` returns the next hit from a place on. A hit across two lines does not count. */
function rowsOfHits(
  ends: Uint32Array,
  from: number,
  to: number,
  needleBytes: number,
  out: Uint32Array,
  next: (from: number) => number,
): number {
  let count = 0;
  let row = from;
  let at = next(from === 0 ? 0 : ends[from - 1]);
  while (at >= 0) {
    row = rowAt(ends, at, row, to);
    if (at + needleBytes > ends[row]) {
      at = next(at + 1);
      continue;
    }
    out[count++] = row;
    if (++row >= to) break;
    at = next(ends[row - 1]);
  }
  return count;
}

/**
 * The row whose line contains byte `at`: the first in [row, to) with ends[row] > at. Exponential search,
 * because hits are often close together.
 */
function rowAt(ends: Uint32Array, at: number, row: number, to: number): number {
  if (ends[row] > at) return row;
  let step = 1;
  let low = row;
  let high = row + 1;
  while (high < to && ends[high] <= at) {
    low = high;
    step *= 2;
    high = Math.min(low + step, to);
    if (high === to) break;
  }
  // ends[low] <= at; the answer is in (low, high].
  while (low + 1 < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle] <= at) low = middle;
    else high = middle;
  }
  return high;
}
