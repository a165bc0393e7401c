import { nextTurn } from '@loki/ports';
import type { Clock, Timers } from '@loki/ports';

/** Milliseconds that pushes may compute in one turn of the event loop; more of them wait for the next. */
const turnMsMax = 10;

/**
 * Bodies of many connections arrive together, and each is decoded at once: 200 of 1 MB made turns of half a
 * second. Beyond `turnMsMax` each push has a turn of its own, between which the thread is others'.
 */
export class PushTurns {
  readonly #clock: Clock;
  readonly #timers: Timers;
  #spentMs = 0;

  constructor({ clock, timers }: { readonly clock: Clock; readonly timers: Timers }) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Undefined: a push may go on in this turn. */
  wait(): Promise<void> | undefined {
    if (this.#spentMs < turnMsMax) return undefined;
    return nextTurn(this.#timers).then(() => {
      this.#spentMs = 0;
    });
  }

  /** Runs the work of a push up to its first pause, which counts for this turn. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const beganMs = this.#clock.monotonicMs();
    const done = work();
    const isFirst = this.#spentMs < turnMsMax;
    this.#spentMs += this.#clock.monotonicMs() - beganMs;
    if (isFirst && this.#spentMs >= turnMsMax) this.#timers.after(0, () => (this.#spentMs = 0));
    return done;
  }
}
