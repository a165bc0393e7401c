/** The latest of several processes' wall clocks, by the manifests that they write: step *shard*. */
import type { Clock } from '@loki/ports';

/**
 * Knows the latest wall time of all writers of a log: that of a manifest, and the time since this process
 * read it on its own monotonic clock. So it is behind the true time by the delay of a read at most, while one
 * writer's clock is right.
 */
export class LatestClock {
  readonly #clock: Clock;
  readonly #toleranceMs: number;
  /** Wall time minus this process's monotonic time. */
  #offsetMs = Number.NEGATIVE_INFINITY;

  /** @param toleranceMs above the delay of a read */
  constructor(clock: Clock, toleranceMs: number) {
    this.#clock = clock;
    this.#toleranceMs = toleranceMs;
  }

  /** @param wallMs the time in a manifest that this process has just read or written; 0: none */
  learn(wallMs: number): void {
    if (wallMs > 0) this.#offsetMs = Math.max(this.#offsetMs, wallMs - this.#clock.monotonicMs());
  }

  /** Unix milliseconds by the latest clock among this process and the writers. */
  nowMs(): number {
    return Math.max(this.#clock.nowMs(), this.#clock.monotonicMs() + this.#offsetMs);
  }

  /** Whether this process's clock is later than all writers know. */
  isAhead(): boolean {
    return this.#clock.nowMs() - this.#clock.monotonicMs() - this.#offsetMs > this.#toleranceMs;
  }
}
