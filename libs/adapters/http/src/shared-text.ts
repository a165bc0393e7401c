/** Shares an expensive text between simultaneous requests: scrapes of metrics. */
import type { Timers } from '@loki/ports';

/**
 * A text that is expensive to compute. It is computed once for all requests that arrived before the start,
 * and other work runs between two computations.
 */
export class SharedText<T> {
  readonly #timers: Timers;
  readonly #make: () => Promise<T>;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<T> | undefined;

  constructor(timers: Timers, make: () => Promise<T>) {
    this.#timers = timers;
    this.#make = make;
  }

  /** The text, computed after this call: it contains everything that was counted before. */
  get(): Promise<T> {
    if (this.#next) return this.#next;
    const next = this.#after(this.#current);
    // The failure is reported to the waiters.
    this.#current = next.catch(() => undefined);
    return (this.#next = next);
  }

  async #after(current: Promise<unknown>): Promise<T> {
    await current;
    // Requests of the same turn of the event loop share one text.
    await this.#timers.sleep(0);
    this.#next = undefined;
    return this.#make();
  }
}
