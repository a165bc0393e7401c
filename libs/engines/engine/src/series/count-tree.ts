/** A tree of counts that finds the n-th of a changing set: quantiles over windows. */

const fanOutBits = 6;
const fanOut = 1 << fanOutBits;

/**
 * A set of ranks below `size` that finds its n-th smallest. Above the set there are levels with counts of 64,
 * 4096 … ranks. A change costs one write per level, a lookup up to 64 reads per level.
 */
export class CountTree {
  count = 0;
  readonly #levels: Uint32Array[] = [];

  constructor(size: number) {
    for (let cells = size; ; cells = Math.ceil(cells / fanOut)) {
      this.#levels.push(new Uint32Array(cells));
      if (cells <= fanOut) return;
    }
  }

  /** Bytes of a tree for `size` ranks. */
  static bytesOf(size: number): number {
    return Math.ceil((4 * size * fanOut) / (fanOut - 1)) + 1024;
  }

  add(rank: number): void {
    this.count++;
    let at = rank;
    for (let depth = 0; depth < this.#levels.length; depth++) {
      this.#levels[depth][at]++;
      at >>>= fanOutBits;
    }
  }

  remove(rank: number): void {
    this.count--;
    let at = rank;
    for (let depth = 0; depth < this.#levels.length; depth++) {
      this.#levels[depth][at]--;
      at >>>= fanOutBits;
    }
  }

  /** The n-th smallest rank in the set, counted from 0; n is below `count`. */
  nth(n: number): number {
    let at = 0;
    let remaining = n;
    for (let depth = this.#levels.length - 1; depth >= 0; depth--) {
      const level = this.#levels[depth];
      at <<= fanOutBits;
      while (level[at] <= remaining) remaining -= level[at++];
    }
    return at;
  }
}
