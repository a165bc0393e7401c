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

/** Longest slice of a query: the thread also answers health checks and renews leases. */
const sliceMs = 15;
const bytesMaxDefault = 4 * 2 ** 30;

/** The resources that the queries of a shared thread have together: memory, and time in slices. */
export class QueryThread {
  readonly memory: MemoryPool;
  readonly #nowMs: () => number;
  readonly #timers: Pick<Timers, 'sleep'> | undefined;

  constructor({ bytesMax = bytesMaxDefault, clock, timers }: QueryThreadOptions = {}) {
    this.memory = new MemoryPool(bytesMax);
    this.#nowMs = clock && timers ? () => clock.monotonicMs() : () => 0;
    this.#timers = timers;
  }

  /** Does all of the work in slices; `checkCancelled` is called before each slice. */
  complete<T>(work: Work<T>, checkCancelled: CheckCancelled): Promise<T> {
    let sinceMs = this.#nowMs();
    const pause = (): Promise<void> | undefined => {
      if (this.#nowMs() - sinceMs < sliceMs) return undefined;
      return nextTurn(this.#timers!).then(() => {
        sinceMs = this.#nowMs();
      });
    };
    return complete(work, pause, checkCancelled);
  }
}
