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
  /** The counts of this process, which are asked without a detour. */
  readonly own?: { readonly id: string; readonly service: StreamLimitService };
}

/**
 * Streams of a tenant are counted by the leader of one partition, the tenant's: the same one for all
 * distributors.
 */
export class RingStreamLimitOwners implements StreamLimitOwners {
  readonly #deps: RingStreamLimitOwnersDeps;
  /** By partition, for the ring as it is. */
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
    // Its incarnation tells a restarted process, which has forgotten everything, from the one before.
    return { id: `${leader.id} ${leader.incarnation}`.replaceAll('/', '_'), service };
  }
}
