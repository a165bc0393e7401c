/**
 * Time that a test controls, where adapters use real sockets but must not depend on the speed of the machine.
 */
import type { Clock, TimerHandle, Timers } from '@loki/ports';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

const epochMs = Date.UTC(2024, 0, 1);

/** Clock and timers that stand still until the test lets time pass. */
export class ManualTime implements Clock, Timers {
  #passedMs = 0;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return epochMs + this.#passedMs;
  }

  nowNs(): bigint {
    return BigInt(this.nowMs()) * 1_000_000n;
  }

  monotonicMs(): number {
    return this.#passedMs;
  }

  after(delayMs: number, callback: () => void): TimerHandle {
    const timer = { dueMs: this.#passedMs + delayMs, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = this.after(delayMs, resolve);
      signal?.addEventListener('abort', () => (timer.cancel(), reject(signal.reason)), { once: true });
    });
  }

  /** Lets `ms` pass, and runs the timers that become due, the earliest first. */
  pass(ms: number): void {
    const endMs = this.#passedMs + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ dueMs }) => dueMs <= endMs);
      if (due.length === 0) break;
      const next = due.reduce((first, each) => (each.dueMs < first.dueMs ? each : first));
      this.#timers.delete(next);
      this.#passedMs = Math.max(this.#passedMs, next.dueMs);
      next.callback();
    }
    this.#passedMs = endMs;
  }

  /** Lets time pass in steps, with some turns of the event loop between, until `outcome` settles. */
  async passUntil<T>(outcome: Promise<T>, stepMs = 1): Promise<T> {
    let isSettled = false;
    const settle = () => void (isSettled = true);
    outcome.then(settle, settle);
    while (!isSettled) {
      this.pass(stepMs);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return outcome;
  }
}
