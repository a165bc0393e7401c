/** Allocates columns of series from large buffers. */

/** Numbers of the first slab and of the largest one. */
const cellsAtFirst = 1 << 11;
const cellsMost = 1 << 17;

type Column = Float64Array | Uint32Array | Uint8Array;

/**
 * Columns as parts of large buffers. The garbage collector must track each buffer: tens of thousands of them,
 * one for each column of each series, take it most of a minute. Parts of a buffer cost it nothing.
 */
export class ColumnSlabs {
  readonly #floats = new Slab((length) => new Float64Array(length));
  readonly #integers = new Slab((length) => new Uint32Array(length));
  readonly #bytes = new Slab((length) => new Uint8Array(length));

  /** A column of zeros. */
  floats(length: number): Float64Array {
    return this.#floats.take(length);
  }

  integers(length: number): Uint32Array {
    return this.#integers.take(length);
  }

  bytes(length: number): Uint8Array {
    return this.#bytes.take(length);
  }
}

class Slab<T extends Column> {
  readonly #make: (length: number) => T;
  #slab: T;
  #used = 0;
  #cells = cellsAtFirst;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#slab = make(0);
  }

  take(length: number): T {
    if (this.#used + length > this.#slab.length) {
      // Slabs grow with the demand, so that a leaf of one series does not take a megabyte.
      this.#slab = this.#make(Math.max(this.#cells, length));
      this.#used = 0;
      this.#cells = Math.min(2 * this.#cells, cellsMost);
    }
    const from = this.#used;
    this.#used += length;
    return this.#slab.subarray(from, this.#used) as T;
  }
}
