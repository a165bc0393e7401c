/** The ingester that counts a tenant's streams, by the ring: step *limit* of a written line. */
import type { StreamLimitOwner, StreamLimitOwners } from '@loki/distributor';
import type { TenantId } from '@loki/model';
import type { StreamLimitService } from '@loki/ports';
import { partitionOwners, tokenOf } from '@loki/ring';
import type { Ring, RingView } from '@loki/ring';
import { StreamLimitsClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';

interface RingStreamLimitOwnersDeps {
  readonly ingesters: RingView;
  readonly channels: ChannelPool;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  /** The counts of this process, which are used directly. */
  readonly own?: { readonly id: string; readonly service: StreamLimitService };
}

/**
 * The leader of one partition, chosen by the tenant, counts the tenant's streams: the same for all
 * distributors.
 */
export class RingStreamLimitOwners implements StreamLimitOwners {
  readonly #deps: RingStreamLimitOwnersDeps;
  /** Leaders by partition, for the present ring. */
  #leaders: (StreamLimitOwner | undefined)[] = [];
  #ring: Ring | undefined;

  constructor(deps: RingStreamLimitOwnersDeps) {
    this.#deps = deps;
    deps.ingesters.onChange((ring) => {
      this.#leaders = [];
      this.#ring = ring;
      deps.channels.keep(new Set(ring.instances.map(({ address }) => address)));
    });
  }

  ownerOf(tenant: TenantId): StreamLimitOwner | undefined {
    const partition = tokenOf(tenant) % this.#deps.partitionCount;
    if (!(partition in this.#leaders)) this.#leaders[partition] = this.#leaderOf(partition);
    return this.#leaders[partition];
  }

  ingesterShares(): number {
    const count = this.#ring?.eligible.length ?? 0;
    return count / Math.max(1, this.#deps.replicationFactor);
  }

  #leaderOf(partition: number): StreamLimitOwner | undefined {
    const { own, channels } = this.#deps;
    const ring = this.#ring;
    const [id] = ring ? partitionOwners(ring, partition, 1) : [];
    const leader = id === undefined ? undefined : ring!.get(id);
    if (!leader) return undefined;
    const service = own?.id === leader.id ? own.service : new StreamLimitsClient(channels.to(leader.address));
    // The incarnation distinguishes a restarted process, which has lost its counts.
    return { id: `${leader.id} ${leader.incarnation}`.replaceAll('/', '_'), service };
  }
}
