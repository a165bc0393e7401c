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
  let count = 0;
  let row = from;
  let at = haystack.indexOf(needle, from === 0 ? 0 : ends[from - 1]);
  while (at >= 0) {
    row = rowAt(ends, at, row, to);
    if (at + needle.length > ends[row]) {
      // The hit runs from one line into the next.
      at = haystack.indexOf(needle, at + 1);
      continue;
    }
    out[count++] = row;
    if (++row >= to) break;
    at = haystack.indexOf(needle, ends[row - 1]);
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
