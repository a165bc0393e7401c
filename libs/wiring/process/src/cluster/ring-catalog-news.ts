/** News of the catalog from all ingesters of the ring: step *select* of a query. */
import type { CatalogNewsSource } from '@loki/catalog';
import type { IngesterService } from '@loki/ports';
import type { RingView } from '@loki/ring';
import { IngesterClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';

interface RingCatalogNewsDeps {
  readonly ingesters: RingView;
  readonly channels: ChannelPool;
  /** The ingester of this process, which is called directly; undefined: there is none. */
  readonly own: () => { readonly id: string; readonly ingester: IngesterService } | undefined;
}

/**
 * Calls each healthy ingester. Leaves out an ingester that does not answer or has an earlier version: the
 * caller reads its partitions from the store.
 */
export function ringCatalogNews({ ingesters, channels, own }: RingCatalogNewsDeps): CatalogNewsSource {
  const clients = new Map<string, IngesterService>();
  ingesters.onChange(({ instances }) => {
    const addresses = new Set(instances.map(({ address }) => address));
    for (const address of clients.keys()) if (!addresses.has(address)) clients.delete(address);
    channels.keep(addresses);
  });
  const clientTo = (address: string): IngesterService => {
    let client = clients.get(address);
    if (!client) clients.set(address, (client = new IngesterClient(channels.to(address))));
    return client;
  };
  return async (numbers, signal) => {
    const healthy = ingesters.ring.instances.filter(({ isHealthy }) => isHealthy);
    const self = own();
    const answers = await Promise.allSettled(
      healthy.map(async ({ id, address }) => {
        const ingester = id === self?.id ? self.ingester : clientTo(address);
        return ingester.catalogNews!(numbers, signal);
      }),
    );
    signal?.throwIfAborted();
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  };
}
