import type { Clock } from '@loki/ports';

/** Peers that did not answer lately: asked last, as long as others can be asked. */
export class Suspects {
  readonly #clock: Clock;
  /** By address: until when, on the monotonic clock. */
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

  /** Forgets all others. */
  keep(addresses: ReadonlySet<string>): void {
    for (const address of this.#untilMs.keys()) if (!addresses.has(address)) this.#untilMs.delete(address);
  }
}

/**
 * Long enough that a stopped process costs one request in hundreds, short enough that one that is back gets
 * its share.
 */
const suspectMs = 10_000;
