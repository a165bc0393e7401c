/** Peers that did not answer recently, which callers try last. */
import type { Clock } from '@loki/ports';

/** Peers that did not answer recently: callers try them last. */
export class Suspects {
  readonly #clock: Clock;
  /** End of the suspicion by address, on the monotonic clock. */
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(address: string): void {
    this.#untilMs.set(address, this.#clock.monotonicMs() + suspectMs);
  }

  clear(address: string): void {
    this.#untilMs.delete(address);
  }

  has(address: string): boolean {
    const untilMs = this.#untilMs.get(address);
    if (untilMs === undefined) return false;
    if (untilMs > this.#clock.monotonicMs()) return true;
    this.#untilMs.delete(address);
    return false;
  }

  /** Drops all other addresses. */
  keep(addresses: ReadonlySet<string>): void {
    for (const address of this.#untilMs.keys()) if (!addresses.has(address)) this.#untilMs.delete(address);
  }
}

/**
 * Long enough that a stopped process costs one request in hundreds, short enough that a returning one soon
 * gets its share.
 */
const suspectMs = 10_000;
