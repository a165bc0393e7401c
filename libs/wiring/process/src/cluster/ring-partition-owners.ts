/** The ingesters to ask for a partition, by the ring: step *select* of a query. */
import type { Partitions } from '@loki/catalog';
import type { Clock, IngesterService, LeafRequest, TailFrame, Timers } from '@loki/ports';
import type { PartitionOwners } from '@loki/querier';
import { partitionOwners } from '@loki/ring';
import type { ObservedInstance, RingView } from '@loki/ring';
import { IngesterClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';
import { followOwners } from './follow-owners.ts';
import { Suspects } from './suspects.ts';
import { WatchedIngester } from './watched-ingester.ts';

interface RingPartitionOwnersDeps {
  readonly ingesters: RingView;
  readonly channels: ChannelPool;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly partitions: Pick<Partitions, 'asked' | 'current'>;
  readonly replicationFactor: number;
  /** The ingester of this process, which is called directly. */
  readonly own?: { readonly id: string; readonly ingester: IngesterService };
}

/**
 * The members to ask for a partition: first its owners by the ring (this process's own, then the others in
 * turn), then owners that did not answer recently. Last come members that may have owned it until now and
 * serve it until a new owner has read it: leaving members, and the next ones on the ring.
 */
export class RingPartitionOwners implements PartitionOwners {
  readonly #deps: RingPartitionOwnersDeps;
  #partitions: readonly number[] = [];
  readonly #clients = new Map<string, IngesterService>();
  readonly #suspects: Suspects;
  /** Owners and next members by partition, for the present ring. */
  readonly #walked = new Map<number, readonly string[]>();
  #turn = 0;

  constructor(deps: RingPartitionOwnersDeps) {
    this.#deps = deps;
    this.#suspects = new Suspects(deps.clock);
    deps.ingesters.onChange((ring) => {
      this.#walked.clear();
      const addresses = new Set(ring.instances.map(({ address }) => address));
      for (const address of this.#clients.keys()) if (!addresses.has(address)) this.#clients.delete(address);
      this.#suspects.keep(addresses);
      deps.channels.keep(addresses);
    });
  }

  partitions(): readonly number[] {
    const { asked } = this.#deps.partitions;
    if (asked !== this.#partitions.length) {
      this.#partitions = Array.from({ length: asked }, (_, partition) => partition);
    }
    return this.#partitions;
  }

  current(signal?: AbortSignal): Promise<void> | undefined {
    return this.#deps.partitions.current(signal);
  }

  follow(partition: number, request: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame> {
    const { clock, timers } = this.#deps;
    return followOwners({ owners: (id) => this.owners(id), clock, timers }, partition, request, signal);
  }

  owners(partition: number): readonly IngesterService[] {
    const { ring } = this.#deps.ingesters;
    const { replicationFactor } = this.#deps;
    let walked = this.#walked.get(partition);
    if (!walked) {
      walked = partitionOwners(ring, partition, 2 * replicationFactor);
      this.#walked.set(partition, walked);
    }
    const ids = walked.slice(0, replicationFactor);
    const turn = ids.length === 0 ? 0 : this.#turn++ % ids.length;
    const inTurn = [...ids.slice(turn), ...ids.slice(0, turn)];
    const ownId = this.#deps.own?.id;
    if (ownId !== undefined) inTurn.sort((a, b) => Number(b === ownId) - Number(a === ownId));
    const leaving = ring.instances.filter(
      ({ id, state, readOnly }) => (state === 'LEAVING' || readOnly) && !ids.includes(id),
    );
    const next = walked.slice(replicationFactor).flatMap((id) => ring.get(id) ?? []);
    const owners = inTurn.flatMap((id) => ring.get(id) ?? []);
    const isSuspect = ({ address }: ObservedInstance) => Number(this.#suspects.has(address));
    owners.sort((a, b) => isSuspect(a) - isSuspect(b));
    return [...owners, ...leaving, ...next].map((instance) => this.#serviceOf(instance));
  }

  #serviceOf({ id, address }: ObservedInstance): IngesterService {
    const { own, channels, timers } = this.#deps;
    if (own?.id === id) return own.ingester;
    let client = this.#clients.get(address);
    if (!client) {
      const ingester = new IngesterClient(channels.to(address));
      client = new WatchedIngester({ ingester, address, suspects: this.#suspects, timers });
      this.#clients.set(address, client);
    }
    return client;
  }
}
