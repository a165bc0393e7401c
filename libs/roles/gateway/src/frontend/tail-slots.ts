/** Assigns tails to queriers that offer to follow streams. */
import { LokiError } from '@loki/model';
import type { LeafRequest, QuerierService, TailFrame, Timers } from '@loki/ports';

/** How long a tail waits for a free querier. */
const waitMs = 5_000;

interface TailSlot {
  readonly querier: QuerierService;
  readonly querierSignal: AbortSignal;
}

/** Queriers that offer to follow streams. A tail occupies its querier until it ends. */
export class TailSlots {
  readonly #timers: Timers;
  readonly #idle: TailSlot[] = [];
  readonly #waiting: ((slot: TailSlot | undefined) => void)[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  add(querier: QuerierService, querierSignal: AbortSignal): void {
    this.#free({ querier, querierSignal });
    querierSignal.addEventListener('abort', () => this.#forget(querier), { once: true });
  }

  /**
   * Follows streams by any free querier. When that querier is lost, the tail ends with an error, and the
   * client opens a new one.
   */
  async *tail(request: LeafRequest, signal: AbortSignal): AsyncGenerator<TailFrame> {
    const slot = this.#idle.shift() ?? (await this.#wait(signal));
    if (signal.aborted) {
      if (slot) this.#free(slot);
      return;
    }
    if (!slot) throw new LokiError('unavailable', 'no querier is free to follow a tail');
    try {
      yield* slot.querier.tail(request, signal);
    } finally {
      this.#free(slot);
    }
  }

  #free(slot: TailSlot): void {
    if (slot.querierSignal.aborted) return;
    const waiter = this.#waiting.shift();
    if (waiter) waiter(slot);
    else this.#idle.push(slot);
  }

  #forget(querier: QuerierService): void {
    const at = this.#idle.findIndex((slot) => slot.querier === querier);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  #wait(signal: AbortSignal): Promise<TailSlot | undefined> {
    return new Promise((resolve) => {
      const done = (slot: TailSlot | undefined) => {
        const at = this.#waiting.indexOf(done);
        if (at >= 0) this.#waiting.splice(at, 1);
        timer.cancel();
        signal.removeEventListener('abort', give);
        resolve(slot);
      };
      const give = () => done(undefined);
      const timer = this.#timers.after(waitMs, give);
      signal.addEventListener('abort', give, { once: true });
      this.#waiting.push(done);
    });
  }
}
