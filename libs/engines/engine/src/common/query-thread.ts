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
const bytesMaxDefault = 4 * 2 ** 30;

/** The resources that the queries of a shared thread have together: memory, and time in slices. */
export class QueryThread {
  readonly memory: MemoryPool;
  readonly #nowMs: () => number;
  readonly #timers: Pick<Timers, 'sleep'> | undefined;
  /** Time that works have taken in the present turn of the loop. */
  #usedMs = 0;
  #hasSlice = false;

  constructor({ bytesMax = bytesMaxDefault, clock, timers }: QueryThreadOptions = {}) {
    this.memory = new MemoryPool(bytesMax);
    this.#nowMs = clock && timers ? () => clock.monotonicMs() : () => 0;
    this.#timers = timers;
  }

  /**
   * Does all of the work in slices; `checkCancelled` is called before each slice. A work that begins when
   * others have used up the slice waits for a turn: many begin at once when their answers come together.
   *
   * @param tenant tenants take turns; works without one count as one tenant
   */
  complete<T>(work: Work<T>, checkCancelled: CheckCancelled, tenant?: string): Promise<T> {
    if (!this.#hasSlice) this.#beginSlice();
    let sinceMs = this.#nowMs();
    const count = (): void => {
      const nowMs = this.#nowMs();
      this.#usedMs += nowMs - sinceMs;
      sinceMs = nowMs;
    };
    const pause = (): Promise<void> | undefined => {
      count();
      if (this.#usedMs < sliceMs) return undefined;
      return nextTurn(this.#timers!, { tenant }).then(() => {
        this.#beginSlice();
        sinceMs = this.#nowMs();
      });
    };
    return complete(counted(work, count), pause, checkCancelled);
  }

  #beginSlice(): void {
    this.#usedMs = 0;
    if (this.#hasSlice || !this.#timers) return;
    this.#hasSlice = true;
    void this.#timers.sleep(0).then(() => (this.#hasSlice = false));
  }
}

/** The same work, which may have to wait before its first piece, and whose last piece counts, too. */
function* counted<T>(work: Work<T>, count: () => void): Work<T> {
  yield;
  const result = yield* work;
  count();
  return result;
}
