/** Numbers in the first slab, and in the largest. */
const cellsAtFirst = 1 << 11;
const cellsMost = 1 << 17;

/**
 * Columns cut from large buffers. A buffer for each column of each series is a thing for the garbage collector to look
 * after, some tens of thousands of which keep it busy for most of a minute; a part of a buffer costs it nothing.
 */
export class ColumnSlabs {
  #floats = new Float64Array(0);
  #floatsUsed = 0;
  #integers = new Uint32Array(0);
  #integersUsed = 0;
  #cells = cellsAtFirst;

  /** A column of zeros. */
  floats(length: number): Float64Array {
    if (this.#floatsUsed + length > this.#floats.length) {
      this.#floats = new Float64Array(this.#nextSize(length));
      this.#floatsUsed = 0;
    }
    const from = this.#floatsUsed;
    this.#floatsUsed += length;
    return this.#floats.subarray(from, this.#floatsUsed);
  }

  /** A column of zeros. */
  integers(length: number): Uint32Array {
    if (this.#integersUsed + length > this.#integers.length) {
      this.#integers = new Uint32Array(this.#nextSize(length));
      this.#integersUsed = 0;
    }
    const from = this.#integersUsed;
    this.#integersUsed += length;
    return this.#integers.subarray(from, this.#integersUsed);
  }

  /** Slabs grow with what is asked for, so that a leaf of one series does not take a megabyte. */
  #nextSize(length: number): number {
    const size = this.#cells;
    this.#cells = Math.min(2 * this.#cells, cellsMost);
    return Math.max(size, length);
  }
}
