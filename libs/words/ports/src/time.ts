/** Ports: clock, timers and randomness, so that a simulator can replay a run. */

/** Reads the time. Wall time may jump; `monotonicMs` never goes back. */
export interface Clock {
  /** Wall time, Unix milliseconds. */
  nowMs(): number;
  /** Wall time, Unix nanoseconds. */
  nowNs(): bigint;
  /** Milliseconds since some fixed moment of this process; for measuring durations and deadlines. */
  monotonicMs(): number;
}

/** A pending timer. Opaque: only the `Timers` object that created it can cancel it. */
export interface TimerHandle {
  cancel(): void;
}

/** Waits and delayed calls. A pending timer never keeps the process alive. */
export interface Timers {
  /** Calls `callback` once, after at least `delayMs`. */
  after(delayMs: number, callback: () => void): TimerHandle;
  /** Resolves after `delayMs`, or rejects with the signal's reason when it aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** Source of randomness. The simulator seeds it. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number;
  /** Uniform in 0 .. 2^32-1. */
  uint32(): number;
  /** `count` random bytes; cryptographic in production. */
  bytes(count: number): Uint8Array;
}
