import { LokiError } from '@loki/model';
import type { LeafRequest, QuerierService, TailFrame, Timers } from '@loki/ports';

/** A tail waits so long for a querier to come by. */
const waitMs = 5_000;

interface TailSlot {
  readonly querier: QuerierService;
  readonly gone: AbortSignal;
}

/** Queriers that stand ready to follow streams. A tail holds its querier for as long as it lasts. */
export class TailSlots {
  readonly #timers: Timers;
  readonly #idle: TailSlot[] = [];
  readonly #waiting: ((slot: TailSlot | undefined) => void)[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  add(querier: QuerierService, gone: AbortSignal): void {
    this.#free({ querier, gone });
    gone.addEventListener('abort', () => this.#forget(querier), { once: true });
  }

  /**
   * Follows by whichever querier is ready. When it is lost the tail ends with an error, and its client begins
   * anew.
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
    if (slot.gone.aborted) return;
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
