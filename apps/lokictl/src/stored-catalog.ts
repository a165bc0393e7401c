/** The catalog of a store, for commands that read it without a running process. */
import { Catalog } from '@loki/catalog';
import type { ObjectStore } from '@loki/ports';
import { NodeTimers } from '@loki/runtime';

/** All times that a row may have, in nanoseconds. */
export const allTime = { startNs: -(1n << 63n), endNs: (1n << 63n) - 1n };

/** The catalog as the store has it now. Damaged partitions are known up to their damage. */
export async function readCatalog(store: ObjectStore): Promise<Catalog> {
  const partitionCount = await countPartitions(store);
  const catalog = new Catalog({ objectStore: store, timers: new NodeTimers(), partitionCount });
  await catalog.refresh();
  return catalog;
}

/** The number of partitions, up to the last one that has a manifest. */
export async function countPartitions(store: ObjectStore): Promise<number> {
  let count = 0;
  for await (const { key } of store.list('catalog/partitions/')) {
    count = Math.max(count, Number(key.split('/')[2]) + 1);
  }
  return count;
}
