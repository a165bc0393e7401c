/** The ports Clock and Timers on Node. */
import { nsPerMs } from '@loki/model';
import type { Clock, TimerHandle, Timers } from '@loki/ports';

/** setTimeout takes a signed 32-bit number of milliseconds; longer delays would fire at once. */
const timeoutMsMax = 2 ** 31 - 1;

/**
 * The port Clock on the operating system: wall time in Unix milliseconds and nanoseconds, and monotonic
 * milliseconds.
 */
export class NodeClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  nowNs(): bigint {
    return BigInt(Date.now()) * nsPerMs;
  }

  monotonicMs(): number {
    return performance.now();
  }
}

/** Node's timers. Delays longer than 24.8 days are split. */
export class NodeTimers implements Timers {
  readonly #keepsAlive: boolean;

  /**
   * @param options keepsAlive: pending timers keep the process alive, for programs with one task
   */
  constructor({ keepsAlive = false }: { readonly keepsAlive?: boolean } = {}) {
    this.#keepsAlive = keepsAlive;
  }

  after(delayMs: number, callback: () => void): TimerHandle {
    let timeout: NodeJS.Timeout;
    let restMs = delayMs;
    const arm = (): void => {
      const pieceMs = Math.min(restMs, timeoutMsMax);
      restMs -= pieceMs;
      timeout = setTimeout(restMs > 0 ? arm : callback, pieceMs);
      if (!this.#keepsAlive) timeout.unref();
    };
    arm();
    return { cancel: () => clearTimeout(timeout) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = (): void => {
        timer.cancel();
        reject(signal!.reason);
      };
      const timer = this.after(delayMs, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
