import { nextTurn } from '@loki/ports';
import type { CheckCancelled, Clock, Timers } from '@loki/ports';
import { MemoryPool } from './memory-budget.ts';
import { complete } from './sliced-work.ts';
import type { Work } from './sliced-work.ts';

interface QueryThreadOptions {
  /** Results and roots of all queries there. Default: the bound of one query without a limit. */
  readonly bytesMax?: number;
  /** Without clock and timers nobody else needs the thread: works end in one slice. */
  readonly clock?: Pick<Clock, 'monotonicMs'>;
  readonly timers?: Pick<Timers, 'sleep'>;
}

/** A query computes so long before others have the thread: health checks and leases live on it. */
const sliceMs = 15;
const bytesMaxDefault = 4 * 2 ** 30;

/**
 * Shared by queries on a thread that serves others too: the memory that they hold there together, and time
 * in slices.
 */
export class QueryThread {
  readonly memory: MemoryPool;
  readonly #nowMs: () => number;
  readonly #timers: Pick<Timers, 'sleep'> | undefined;

  constructor({ bytesMax = bytesMaxDefault, clock, timers }: QueryThreadOptions = {}) {
    this.memory = new MemoryPool(bytesMax);
    this.#nowMs = clock && timers ? () => clock.monotonicMs() : () => 0;
    this.#timers = timers;
  }

  /** All of the work, in slices; `checkCancelled` is asked before each. */
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
