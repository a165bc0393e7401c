/** Transposes dictionary columns into cells by row. */
import type { DecodedColumn } from './dictionary.ts';

/**
 * Cells of a table of dictionary columns by row: starts (rowCount + 1), then column and code of each cell.
 */
interface CellsByRow {
  readonly starts: Uint32Array;
  readonly column: Uint32Array;
  readonly code: Uint32Array;
}

/**
 * Transposes columns; the cells of a row are in column order. The cost is that of the present cells plus one
 * pass over each dense column.
 */
export function cellsByRow(columns: readonly DecodedColumn[], rowCount: number): CellsByRow {
  // starts[row + 1] first counts the cells of `row`, then is the sum of counts before it, then the cursor of
  // `row`: after filling it is the row's end.
  const starts = new Uint32Array(rowCount + 2);
  let total = 0;
  for (const { rows, isUniform, codes } of columns.map(parts)) {
    if (rows) for (let i = 0; i < rows.length; i++) starts[rows[i] + 2]++;
    else if (isUniform) for (let row = 0; row < rowCount; row++) starts[row + 2]++;
    else for (let row = 0; row < rowCount; row++) starts[row + 2] += codes![row] === 0 ? 0 : 1;
  }
  for (let row = 0; row < rowCount; row++) total = starts[row + 2] += starts[row + 1];
  const column = new Uint32Array(total);
  const code = new Uint32Array(total);
  columns.forEach((source, at) => {
    const { rows, rowCodes, isUniform, codes } = parts(source);
    if (rows) {
      for (let i = 0; i < rows.length; i++) {
        const cell = starts[rows[i] + 1]++;
        column[cell] = at;
        code[cell] = rowCodes![i];
      }
      return;
    }
    for (let row = 0; row < rowCount; row++) {
      const value = isUniform ? 1 : codes![row];
      if (value === 0) continue;
      const cell = starts[row + 1]++;
      column[cell] = at;
      code[cell] = value;
    }
  });
  return { starts: starts.subarray(0, rowCount + 1), column, code };
}

function parts(column: DecodedColumn) {
  const { rows, rowCodes, isUniform } = column;
  return { rows, rowCodes, isUniform, codes: rows || isUniform ? undefined : column.codes };
}
