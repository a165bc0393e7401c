/** Builds the querier of this process. */
import { Querier } from '@loki/querier';
import type { ResultsCaches } from '@loki/querier';
import type { StorageDeps } from './open-storage.ts';

/** The querier of this process. */
export async function makeQuerier(deps: StorageDeps, caches: ResultsCaches | undefined): Promise<Querier> {
  return new Querier({
    ingesters: await deps.cluster.ingesters.partitionOwners(deps.partitions),
    catalog: deps.adapters?.catalog?.(deps.catalog) ?? deps.catalog,
    workers: deps.workers,
    logger: deps.logger,
    queryThread: deps.queryThread,
    hidden: deps.hiding.hidden,
    caches,
    reads: deps.config.querier.reads,
    opensAhead: deps.config.storage.kind === 's3',
  });
}
