/** Cuts dictionary columns to a range of rows. */
import type { RawColumn } from './dictionary.ts';

/**
 * Rows [from, to) of a column as a column of its own: rows are relative to `from`, and the dictionary has
 * only the values in use, in order of first appearance. undefined when no row has a value.
 */
export function sliceColumn(column: RawColumn, from: number, to: number): RawColumn | undefined {
  const [first, end] = column.rows
    ? [lowerBound(column.rows, from), lowerBound(column.rows, to)]
    : [from, to];
  const remap = new Uint32Array(column.values.length + 1);
  const values: string[] = [];
  const codes = new Uint32Array(end - first);
  let present = 0;
  for (let i = first; i < end; i++) {
    const code = column.codes[i];
    if (code === 0) continue;
    present++;
    let mapped = remap[code];
    if (mapped === 0) mapped = remap[code] = values.push(column.values[code - 1]);
    codes[i - first] = mapped;
  }
  if (present === 0) return undefined;
  const rowCount = to - from;
  return fittingColumn(column.name, values, rowCount, {
    codes,
    rows: column.rows?.subarray(first, end),
    present,
    firstRow: from,
  });
}

/**
 * Chooses between dense and sparse: rows take as much memory as codes, so dense is smaller from half of the
 * rows on.
 */
export function fittingColumn(
  name: string,
  values: readonly string[],
  rowCount: number,
  cells: {
    readonly codes: Uint32Array;
    readonly rows: Uint32Array | undefined;
    readonly present: number;
    readonly firstRow: number;
  },
): RawColumn {
  const { codes, rows, present, firstRow } = cells;
  const isSparse = present * 2 < rowCount;
  if (!rows && !isSparse) return { name, values, codes };
  if (rows && !isSparse) {
    const dense = new Uint32Array(rowCount);
    for (let i = 0; i < rows.length; i++) dense[rows[i] - firstRow] = codes[i];
    return { name, values, codes: dense };
  }
  if (rows && firstRow === 0) return { name, values, codes, rows };
  const sparseRows = new Uint32Array(present);
  const sparseCodes = new Uint32Array(present);
  if (rows) {
    for (let i = 0; i < present; i++) sparseRows[i] = rows[i] - firstRow;
    return { name, values, codes, rows: sparseRows };
  }
  for (let row = 0, at = 0; row < rowCount; row++) {
    if (codes[row] === 0) continue;
    sparseRows[at] = row;
    sparseCodes[at++] = codes[row];
  }
  return { name, values, codes: sparseCodes, rows: sparseRows };
}

/** First index whose value is at least `least`. */
export function lowerBound(sorted: Uint32Array, least: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
