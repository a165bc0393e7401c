/** Growth of columns: rows of a segment that is written, entries of a head's index. */

type Column = Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/**
 * Moves the values of `column` to a longer array without a copy by JavaScript; the new part is zeros. The old
 * array is empty afterwards.
 */
export function lengthen<C extends Column>(column: C, length: number): C {
  const Type = column.constructor as new (buffer: ArrayBuffer) => C;
  return new Type(column.buffer.transfer(length * column.BYTES_PER_ELEMENT));
}
