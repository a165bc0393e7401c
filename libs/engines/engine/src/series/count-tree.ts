const fanOutBits = 6;
const fanOut = 1 << fanOutBits;

/**
 * A set of ranks below `size` that tells its n-th smallest: sums over 64, 4096 … ranks above the set itself.
 * A change costs a write for each level, which there are few of; finding costs up to 64 reads for each.
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

  /** Bytes of one for so many ranks. */
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
    let left = n;
    for (let depth = this.#levels.length - 1; depth >= 0; depth--) {
      const level = this.#levels[depth];
      at <<= fanOutBits;
      while (level[at] <= left) left -= level[at++];
    }
    return at;
  }
}
