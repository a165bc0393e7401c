/**
 * The partitions that a catalog follows, each caught up by one refresh at a time: step *select* of a query.
 */
import { LokiError } from '@loki/model';
import type { Logger, PartitionNews } from '@loki/ports';
import { abortable } from './logs/abortable.ts';
import type { PartitionCatalog } from './logs/partition-catalog.ts';

interface Partition {
  readonly catalog: PartitionCatalog;
  /** The present refresh. */
  refreshing: Promise<void> | undefined;
  isLoaded: boolean;
  /** Name of the damaged manifest at which the reading stopped; undefined: read to the end. */
  damage: string | undefined;
}

interface FollowedPartitionsDeps {
  readonly logger?: Logger;
  /** Called after the first read of a partition. */
  readonly onFirstLoad: () => void;
}

/** Partitions refreshed side by side. */
const refreshesMax = 8;

/** The manifests of partitions 0 .. count - 1 that this process has read. */
export class FollowedPartitions {
  readonly #deps: FollowedPartitionsDeps;
  readonly #partitions: Partition[] = [];

  constructor(deps: FollowedPartitionsDeps) {
    this.#deps = deps;
  }

  get count(): number {
    return this.#partitions.length;
  }

  /** Partitions that were read at least once. */
  get loadedCount(): number {
    return this.#partitions.filter(({ isLoaded }) => isLoaded).length;
  }

  /** Follows one more partition; it is read at the next refresh. */
  add(catalog: PartitionCatalog): void {
    this.#partitions.push({ catalog, refreshing: undefined, isLoaded: false, damage: undefined });
  }

  /** @throws RangeError for a partition that is not followed */
  catalog(partition: number): PartitionCatalog {
    return this.#partition(partition).catalog;
  }

  /** The partitions in the order of their numbers. */
  catalogs(): readonly PartitionCatalog[] {
    return this.#partitions.map(({ catalog }) => catalog);
  }

  /** Catches up with these partitions; absent: with all. */
  async refresh(numbers: readonly number[] | undefined, signal?: AbortSignal): Promise<void> {
    const waiting = numbers?.map((partition) => this.#partition(partition)) ?? [...this.#partitions];
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next; next = waiting.pop()) await this.#refresh(next, signal);
    };
    await Promise.all(Array.from({ length: refreshesMax }, work));
  }

  /** Catches up with a partition up to `offset`. Costs nothing when it was read that far. */
  async refreshTo(partition: number, offset: number, signal?: AbortSignal): Promise<void> {
    const current = this.#partition(partition);
    // The present refresh may have read too early: then another one follows.
    for (let attempt = 0; attempt < 2 && current.catalog.state.endOffset < offset; attempt++) {
      await this.#refresh(current, signal);
    }
  }

  /**
   * Takes an ingester's news of a partition. Its damage is the ingester's: it is logged, and the store is
   * asked.
   *
   * @returns whether this process has all manifests of the news
   */
  async learn({ partition, number, manifests }: PartitionNews): Promise<boolean> {
    const { catalog } = this.#partition(partition);
    try {
      if (manifests.length > 0) await catalog.learn(manifests);
    } catch (error) {
      this.#deps.logger?.warn('catalog: news of a partition cannot be read', { err: String(error) });
    }
    return catalog.state.number >= number;
  }

  /** @throws LokiError `unavailable` when the manifests of the partition end below `offset` */
  proveReach(partition: number, offset: number): void {
    const { catalog, damage } = this.#partition(partition);
    const { endOffset } = catalog.state;
    if (endOffset >= offset) return;
    throw new LokiError(
      'unavailable',
      `the catalog of partition ${partition} ends at ${endOffset}, below the committed offset ${offset}` +
        (damage === undefined ? '' : `: ${damage}`),
    );
  }

  /** One refresh at a time for each partition; later callers wait for the same one. */
  async #refresh(partition: Partition, signal: AbortSignal | undefined): Promise<void> {
    const { logger, onFirstLoad } = this.#deps;
    partition.refreshing ??= partition.catalog
      .load()
      .then(
        () => (partition.damage = undefined),
        (error: unknown) => (partition.damage = tellDamage(error, { logger, knownDamage: partition.damage })),
      )
      .then(() => {
        if (!partition.isLoaded) onFirstLoad();
        partition.isLoaded = true;
      })
      .finally(() => (partition.refreshing = undefined));
    await abortable(partition.refreshing, signal);
  }

  #partition(partition: number): Partition {
    const current = this.#partitions[partition];
    if (!current) throw new RangeError(`partition ${partition} of ${this.#partitions.length}`);
    return current;
  }
}

/**
 * Logs a damaged object. The manifests before it, and other partitions, stay readable. Each refresh reads it
 * again.
 *
 * @returns the text that names it
 * @throws other errors
 */
export function tellDamage(
  error: unknown,
  { logger, knownDamage }: { readonly logger?: Logger; readonly knownDamage: string | undefined },
): string {
  if (!(error instanceof LokiError) || error.code !== 'corrupt') throw error;
  if (error.message !== knownDamage) {
    logger?.error('catalog: a damaged object; later objects are not read', {
      err: error.message,
      repair: 'lokictl repair',
    });
  }
  return error.message;
}
