/** Growing typed arrays for columns. */
const lengthMin = 16;
/** Larger columns grow by a smaller factor: their memory counts for more than the copies. */
const doubledMax = 1 << 16;

type Column = Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** A longer copy of the column; its new part is zero. */
export function grown<C extends Column>(column: C): C {
  return resized(column, grownLength(column.length));
}

export function grownLength(length: number): number {
  return Math.max(lengthMin, length < doubledMax ? length * 2 : Math.ceil(length * 1.5));
}

/** The first values of the column, in one of another length. */
export function resized<C extends Column>(column: C, length: number): C {
  const larger = new (column.constructor as new (length: number) => C)(length);
  larger.set(length < column.length ? column.subarray(0, length) : column);
  return larger;
}
