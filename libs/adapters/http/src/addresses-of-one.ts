/** Client addresses that push for one tenant and do nothing else: step *admit* of a written line. */
import { BoundedMap } from '@loki/model';
import type { Clock } from '@loki/ports';

/** Addresses that are known, 100 bytes each. */
const addressesMax = 16_384;
/** An address that had other requests counts as one of several for this time. */
const mixedMs = 20_000;

interface Address {
  /** The tenant of its last push; undefined: the last request was another one. */
  holder: string | undefined;
  /** Until then its connections may carry any request. */
  mixedUntilMs: number;
}

/**
 * Tells the addresses of agents from those of proxies and of users. A connection of an agent that connects
 * anew for each push can wait before its request is read: the tenant is known by its address.
 */
export class AddressesOfOne {
  readonly #clock: Clock;
  readonly #addresses = new BoundedMap<string, Address>(addressesMax);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Notes a request.
   *
   * @param holder the tenant of a push that no proxy sent on; undefined: of another request
   */
  note(address: string, holder: string | undefined): void {
    const record = this.#addresses.get(address);
    if (!record) {
      const mixedUntilMs = holder === undefined ? this.#clock.monotonicMs() + mixedMs : 0;
      this.#addresses.set(address, { holder, mixedUntilMs });
    } else if (record.holder !== holder || holder === undefined) {
      record.holder = holder;
      record.mixedUntilMs = this.#clock.monotonicMs() + mixedMs;
    }
  }

  /** The tenant that all requests from the address were pushes of, lately; undefined: there is none. */
  holderOf(address: string): string | undefined {
    const record = this.#addresses.get(address);
    return record && record.mixedUntilMs <= this.#clock.monotonicMs() ? record.holder : undefined;
  }
}
