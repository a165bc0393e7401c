import { NeedleSearch } from '@loki/bytes';

const searches = new WeakMap<Buffer, NeedleSearch>();

/**
 * Rows from..to of a block whose line contains `needle`, ascending.
 *
 * Searches the whole stretch of bytes at once and maps hits to rows: cheaper than one search per line unless
 * nearly every line has the needle (leaf.bench.ts).
 *
 * @param ends   exclusive line ends of the block
 * @param needle not empty
 * @param out    room for to - from rows
 * @returns how many rows were written to `out`
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
  // Only a needle that is too long for the kernel is searched for in the plain way.
  if (!search) return rowsOfHits(ends, from, to, needle.length, out, (at) => haystack.indexOf(needle, at));
  searches.set(needle, search);
  search.start(haystack);
  return rowsOfHits(ends, from, to, needle.length, out, (at) => search.next(at));
}

/**
 * The rows of hits, which `next` finds from a place on. A hit that runs from one line into the next is none.
 */
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
 * The row whose line holds byte `at`: the first of row..to with ends[row] > at. Gallops, as hits are often
 * near.
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
