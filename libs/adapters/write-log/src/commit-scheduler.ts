/** Schedules the commits of the embedded log: step *write log* of a written line. */

/**
 * Memory in which consecutive commits assemble their bytes. A new buffer for each commit would cost a page
 * fault per 4 KiB.
 */
export class Scratch {
  readonly #keepBytesMax: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(keepBytesMax: number) {
    this.#keepBytesMax = keepBytesMax;
  }

  /** Returns `count` bytes of any content, valid until the next call. */
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
 * Bounds the parallel commits (write and fsync) over all partitions, first come first served.
 *
 * A partition forms its batch when its turn comes, so batches grow when the disk is busy.
 */
export class CommitScheduler {
  readonly #free: Scratch[];
  readonly #waiting: ((scratch: Scratch) => void)[] = [];

  /** @param scratchBytesMax most scratch memory of each commit between its turns */
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
