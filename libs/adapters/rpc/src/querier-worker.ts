/** The querier's side of the work queue: fetches work from frontends and answers it. */
import { Slot } from './querier-slot.ts';
import type { QuerierWorkerOptions } from './querier-slot.ts';
import type { RpcChannel } from './rpc-channel.ts';

/**
 * Fetches work from every known frontend. Each frontend gets an equal share of the slots, and at least one:
 * with many frontends a querier may get a little more work than `maxConcurrent`, but serves every frontend.
 */
export class QuerierWorker {
  readonly #options: QuerierWorkerOptions;
  readonly #frontends = new Map<string, FrontendSlots>();

  constructor(options: QuerierWorkerOptions) {
    this.#options = options;
  }

  /** Sets the current frontends. */
  setFrontends(addresses: ReadonlySet<string>): void {
    for (const [address, slots] of this.#frontends) {
      if (addresses.has(address)) continue;
      this.#frontends.delete(address);
      void slots.stop().then(() => {
        if (!this.#frontends.has(address)) this.#options.channels.drop(address);
      });
    }
    for (const address of addresses) {
      if (this.#frontends.has(address)) continue;
      this.#frontends.set(address, new FrontendSlots(this.#options.channels.to(address), this.#options));
    }
    const share = Math.ceil(this.#options.maxConcurrent / Math.max(1, addresses.size));
    for (const slots of this.#frontends.values()) slots.resize(Math.max(1, share));
  }

  /** Number of slots that are connected to a frontend. */
  get connected(): number {
    let count = 0;
    for (const slots of this.#frontends.values()) count += slots.connected;
    return count;
  }

  /** Takes no more work, and waits for the current work. */
  async stop(): Promise<void> {
    await Promise.all([...this.#frontends.values()].map((slots) => slots.stop()));
    this.#frontends.clear();
  }
}

/** The slots of this querier at one frontend. */
class FrontendSlots {
  readonly #channel: RpcChannel;
  readonly #options: QuerierWorkerOptions;
  readonly #queries = new Set<Slot>();
  readonly #tails = new Set<Slot>();

  constructor(channel: RpcChannel, options: QuerierWorkerOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#addTail();
  }

  get connected(): number {
    let count = 0;
    for (const slot of this.#queries) if (slot.isConnected) count++;
    return count;
  }

  resize(count: number): void {
    while (this.#queries.size < count) this.#queries.add(new Slot(this.#channel, this.#options, {}));
    for (const slot of this.#queries) {
      if (this.#queries.size <= count) break;
      this.#queries.delete(slot);
      void slot.stop();
    }
  }

  async stop(): Promise<void> {
    const slots = [...this.#queries, ...this.#tails];
    this.#queries.clear();
    this.#tails.clear();
    await Promise.all(slots.map((slot) => slot.stop()));
  }

  /** Opens a slot for tails. One is always idle: when it starts a tail, the next one opens. */
  #addTail(): void {
    if (this.#tails.size >= (this.#options.tailsMax ?? 64)) return;
    const slot: Slot = new Slot(this.#channel, this.#options, {
      onTailBegun: () => this.#addTail(),
      onTailEnded: () => {
        // One idle slot is enough.
        if (this.#tails.size <= 1) return;
        this.#tails.delete(slot);
        void slot.stop();
      },
    });
    this.#tails.add(slot);
  }
}
