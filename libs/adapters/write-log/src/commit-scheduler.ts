/**
 * Memory that one commit after another assembles its bytes in. A new buffer for each costs a page fault per 4
 * KiB.
 */
export class Scratch {
  readonly #keepBytesMax: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(keepBytesMax: number) {
    this.#keepBytesMax = keepBytesMax;
  }

  /** `count` bytes with any content, valid until the next call. */
  take(count: number): Buffer {
    if (count > this.#keepBytesMax) return Buffer.allocUnsafeSlow(count);
    if (count > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(
        Math.min(this.#keepBytesMax, Math.max(count, 2 * this.#bytes.length)),
      );
    }
    return this.#bytes.subarray(0, count);
  }
}

/**
 * How many commits (write and fsync) run side by side, over all partitions, first come first served.
 *
 * A partition takes its batch only when its turn comes, so the busier the disk, the larger the batches.
 */
export class CommitScheduler {
  readonly #free: Scratch[];
  readonly #waiting: ((scratch: Scratch) => void)[] = [];

  /** @param scratchBytesMax memory each of the commits keeps between its turns */
  constructor(commitsMax: number, scratchBytesMax: number) {
    this.#free = Array.from({ length: commitsMax }, () => new Scratch(scratchBytesMax));
  }

  async run<T>(commit: (scratch: Scratch) => Promise<T>): Promise<T> {
    const scratch =
      this.#free.pop() ?? (await new Promise<Scratch>((resolve) => this.#waiting.push(resolve)));
    try {
      return await commit(scratch);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(scratch);
      else this.#free.push(scratch);
    }
  }
}
