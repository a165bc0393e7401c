/**
 * How many commits (write and fsync) run side by side, over all partitions, first come first served.
 *
 * A partition takes its batch only when its turn comes, so the busier the disk, the larger the batches.
 */
export class CommitScheduler {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(commitsMax: number) {
    this.#free = commitsMax;
  }

  async run<T>(commit: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await commit();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
