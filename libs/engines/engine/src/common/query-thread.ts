/** Time slices and memory of the queries on a shared thread. */
import { nextTurn } from '@loki/ports';
import type { CheckCancelled, Clock, Timers } from '@loki/ports';
import { MemoryPool } from './memory-budget.ts';
import { complete } from './sliced-work.ts';
import type { Work } from './sliced-work.ts';

interface QueryThreadOptions {
  /**
   * Most bytes of results and roots of all queries on the thread. Default: the bound of one query without a
   * limit.
   */
  readonly bytesMax?: number;
  /** Without clock and timers the thread is not shared: each work runs in one slice. */
  readonly clock?: Pick<Clock, 'monotonicMs'>;
  readonly timers?: Pick<Timers, 'sleep'>;
}

/**
 * Longest time that queries keep the thread between two turns of its loop, all together: the thread also
 * answers health checks and renews leases.
 */
const sliceMs = 15;
/** A longer time without a query's work has had a turn of the loop in it. */
const gapMs = 2;
const bytesMaxDefault = 4 * 2 ** 30;

/** The resources that the queries of a shared thread have together: memory, and time in slices. */
export class QueryThread {
  readonly memory: MemoryPool;
  readonly #nowMs: () => number;
  readonly #timers: Pick<Timers, 'sleep'> | undefined;
  /** Since when queries have kept the thread, and until when. */
  #sliceBeganMs = 0;
  #workedUntilMs = Number.NEGATIVE_INFINITY;

  constructor({ bytesMax = bytesMaxDefault, clock, timers }: QueryThreadOptions = {}) {
    this.memory = new MemoryPool(bytesMax);
    this.#nowMs = clock && timers ? () => clock.monotonicMs() : () => 0;
    this.#timers = timers;
  }

  /**
   * Does all of the work in slices; `checkCancelled` is called before each slice. A work that begins when
   * others have used up the slice waits for a turn: many begin at once when their answers come together.
   */
  complete<T>(work: Work<T>, checkCancelled: CheckCancelled): Promise<T> {
    const nowMs = this.#nowMs();
    if (nowMs - this.#workedUntilMs > gapMs) this.#beginSlice(nowMs);
    const pause = (): Promise<void> | undefined => {
      this.#workedUntilMs = this.#nowMs();
      if (this.#workedUntilMs - this.#sliceBeganMs < sliceMs) return undefined;
      return nextTurn(this.#timers!).then(() => this.#beginSlice(this.#nowMs()));
    };
    return complete(afterPause(work), pause, checkCancelled);
  }

  #beginSlice(nowMs: number): void {
    this.#sliceBeganMs = nowMs;
    this.#workedUntilMs = nowMs;
  }
}

/** The same work, which may have to wait before its first piece. */
function* afterPause<T>(work: Work<T>): Work<T> {
  yield;
  return yield* work;
}
