/** One incarnation of a virtual process: its ports, kill and pause. */
import type { Clock, TimerHandle, Timers } from '@loki/ports';
import type { Prng } from './prng.ts';
import type { EventHandle, VirtualScheduler } from './scheduler.ts';

/** Virtual wall time at virtual monotonic 0: 2024-01-01T00:00:00Z. Any fixed moment would do. */
export const virtualEpochMs = 1_704_067_200_000;

/**
 * One incarnation of a process: its ports, and the power to stop it. Everything that its code awaits is an
 * event of this object; so when it is killed, none of its code ever runs again.
 */
export class VirtualProcess {
  readonly name: string;
  readonly scheduler: VirtualScheduler;
  readonly random: Prng;
  readonly clock: VirtualClock;
  readonly timers: VirtualTimers;
  #alive = true;
  #pausedUntilMs = 0;
  /** Callbacks that should have run during the pause. */
  readonly #late = new Map<() => void, EventHandle>();

  constructor(scheduler: VirtualScheduler, name: string) {
    this.scheduler = scheduler;
    this.name = name;
    this.random = scheduler.random.fork(name);
    this.clock = new VirtualClock(scheduler);
    this.timers = new VirtualTimers(this);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** kill -9. */
  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.scheduler.note(`kill ${this.name}`);
  }

  /** SIGSTOP, and SIGCONT after `ms`: events of the meantime happen late. */
  pause(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.scheduler.nowMs + ms);
    this.scheduler.note(`pause ${this.name} ${ms.toFixed(3)}`);
  }

  /** SIGCONT before the end of the pause. */
  resume(): void {
    this.#pausedUntilMs = 0;
    const overdue = [...this.#late];
    this.#late.clear();
    for (const [fire, handle] of overdue) {
      handle.cancel();
      this.scheduler.after(0, `late ${this.name}`, fire);
    }
  }

  /** An event of this process: dropped when it is dead by then, late when it is paused. */
  after(delayMs: number, label: string, callback: () => void): EventHandle {
    let cancelled = false;
    const fire = () => {
      this.#late.delete(fire);
      if (cancelled || !this.#alive) return;
      const waitMs = this.#pausedUntilMs - this.scheduler.nowMs;
      if (waitMs > 0) this.#late.set(fire, this.scheduler.after(waitMs, `late ${this.name} ${label}`, fire));
      else callback();
    };
    const handle = this.scheduler.after(delayMs, `${this.name} ${label}`, fire);
    return {
      cancel: () => {
        cancelled = true;
        handle.cancel();
      },
    };
  }

  /**
   * The outcome of a service outside the process (disk, network), delivered after `delayMs`. A dead process
   * never receives it: the promise never settles.
   */
  tell<T>(delayMs: number, label: string, outcome: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.after(delayMs, label, () => {
        try {
          resolve(outcome());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

/**
 * The clock of a process. Its wall clock may differ from the scheduler's time; the monotonic one never does.
 */
class VirtualClock implements Clock {
  readonly #scheduler: VirtualScheduler;
  /** Offset of this process's wall clock. */
  offsetMs = 0;

  constructor(scheduler: VirtualScheduler) {
    this.#scheduler = scheduler;
  }

  nowMs(): number {
    return Math.floor(virtualEpochMs + this.#scheduler.nowMs + this.offsetMs);
  }

  nowNs(): bigint {
    return (
      BigInt(virtualEpochMs) * 1_000_000n + BigInt(Math.floor((this.#scheduler.nowMs + this.offsetMs) * 1e6))
    );
  }

  monotonicMs(): number {
    return this.#scheduler.nowMs;
  }
}

/** Timers of one process. */
class VirtualTimers implements Timers {
  readonly #process: VirtualProcess;

  constructor(process: VirtualProcess) {
    this.#process = process;
  }

  after(delayMs: number, callback: () => void): TimerHandle {
    return this.#process.after(delayMs, 'timer', callback);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        handle.cancel();
        reject(signal!.reason);
      };
      const handle = this.#process.after(delayMs, 'sleep', () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
