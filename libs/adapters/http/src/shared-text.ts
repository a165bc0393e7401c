import type { Timers } from '@loki/ports';

/**
 * A text that is dear to make: one at a time, for all who have asked before it was begun. However many ask,
 * others have the thread between two of them.
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

  /** Made from now on: what was counted before is in it. */
  get(): Promise<T> {
    if (this.#next) return this.#next;
    const next = this.#after(this.#current);
    // Its failure is told to those who wait for it.
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
