/** Judges the store of a simulated cluster, and the part of it that its readers have read. */
import { Catalog } from '@loki/catalog';
import type { VirtualProcess } from '@loki/virtual';
import { bugsOf } from './cluster-bugs.ts';
import type { ClusterWorld } from './cluster-world.ts';
import type { Violation } from './ledger.ts';
import { catalogSizes, followMs } from './node-catalog.ts';
import { storeFaults } from './store-faults.ts';

interface Reader {
  readonly name: string;
  readonly catalog: Catalog;
}

/** The object store after the faults have ended. */
export class ClusterStore {
  readonly #world: Pick<ClusterWorld, 'bucket' | 'log'>;

  constructor(world: Pick<ClusterWorld, 'bucket' | 'log'>) {
    this.#world = world;
  }

  /**
   * Manifests are gapless (a catalog that loads proves it), and each segment that is read is present and
   * intact.
   */
  async faults(judge: VirtualProcess, tenants: readonly string[]): Promise<Violation[]> {
    const catalog = await this.#catalog(judge);
    const keys = tenants.flatMap((tenant) =>
      catalog.segmentsFor(tenant, 0n, 1n << 62n).map(({ key }) => key),
    );
    return storeFaults(this.#world.bucket, keys);
  }

  /** Without a query and after lost news: after its periodic reads of the store a reader has all commits. */
  async readersBehind(judge: VirtualProcess, readers: () => readonly Reader[]): Promise<Violation[]> {
    const newest = numbersOf(await this.#catalog(judge));
    const { partition, shared } = bugsOf(undefined).netRounds;
    await judge.timers.sleep((Math.max(partition, shared) + 4) * followMs);
    return readers().flatMap(({ name, catalog }): Violation[] => {
      const numbers = numbersOf(catalog);
      if (newest.every((number, i) => numbers[i] >= number)) return [];
      const text = `${name} knows manifests up to ${numbers.join()}, not ${newest.join()}`;
      return [{ kind: 'behind', text }];
    });
  }

  async #catalog(judge: VirtualProcess): Promise<Catalog> {
    const { bucket, log } = this.#world;
    const catalog = new Catalog({
      objectStore: bucket.client(judge),
      timers: judge.timers,
      partitionCount: log.partitionCount,
      ...catalogSizes,
    });
    await catalog.refresh();
    return catalog;
  }
}

/** The newest manifests that a catalog has read: of compactors, and of each partition. */
function numbersOf(catalog: Catalog): number[] {
  return [catalog.compacted.number, ...catalog.partitions().map(({ state }) => state.number)];
}
