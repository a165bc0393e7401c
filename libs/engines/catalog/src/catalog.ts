/** The read side of the catalog: step *select* of a query, and the plans of compactors. */
import { LokiError } from '@loki/model';
import type { Logger, ObjectStore, PartitionNews, Timers } from '@loki/ports';
import { abortable } from './abortable.ts';
import type { CatalogState } from './catalog-state.ts';
import { joinCompactions } from './compaction-manifest.ts';
import type { CompactionManifest, FlushedInput } from './compaction-manifest.ts';
import { CompactionState } from './compaction-state.ts';
import { GroupedLog } from './grouped-log.ts';
import { compactionKeys } from './keys.ts';
import type { ManifestSection } from './manifest.ts';
import { PartitionCatalog } from './partition-catalog.ts';
import { dayOf, daysMax, SectionIndex } from './section-index.ts';
import type { SegmentRef } from './section-index.ts';
import { TenantNames } from './section-table.ts';
import type { LiveSegment } from './segment-groups.ts';

interface CatalogOptions {
  readonly objectStore: ObjectStore;
  /** For turns of the event loop while a checkpoint is read. */
  readonly timers?: Timers;
  readonly logger?: Logger;
  /** Partitions 0 .. partitionCount - 1 are read. */
  readonly partitionCount: number;
  /** For tests; every process of a store must use the same. */
  readonly eraSize?: number;
  /** Manifests of each log from one checkpoint to the next. */
  readonly checkpointEvery?: number;
  /** About the unpacked bytes of a part of a checkpoint; for tests. */
  readonly groupBytes?: number;
}

interface Partition {
  readonly catalog: PartitionCatalog;
  /** The refresh under way. */
  refreshing: Promise<void> | undefined;
  isLoaded: boolean;
  /** Names the damaged manifest that the partition is known up to; undefined: it is known to its end. */
  damage: string | undefined;
}

/**
 * Most attempts of a commit: of 30 compactors that commit all the time, each loses 29 of 30 times, and so
 * many in a row once in 10^7 times.
 */
const commitAttemptsMax = 512;

/** Partitions refreshed side by side. */
const refreshesMax = 8;

/** The read side: all partitions' manifests, folded and indexed by tenant and time. */
export class Catalog {
  readonly #partitions: Partition[] = [];
  readonly #index = new SectionIndex();
  readonly #names = new TenantNames();
  /** The compactors' changes to the sections. */
  readonly compactions: GroupedLog<CompactionManifest>;
  readonly #compacted = new CompactionState();
  #refreshingCompactions: Promise<void> | undefined;
  #compactionDamage: string | undefined;
  /** The compactors' log was read after everything else that was read for the first time. */
  #isComplete = false;
  /**
   * Sections that a partition no longer names. They leave the index only once the compactors' log was read
   * anew: what took their place is surely known then.
   */
  #dropped: { live: LiveSegment; section: ManifestSection }[] = [];
  readonly #options: CatalogOptions;

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.grow(options.partitionCount);
    this.compactions = new GroupedLog(
      {
        objectStore: options.objectStore,
        state: this.#compacted,
        emptyState: () => new CompactionState(),
        ...compactionKeys,
        eraSize: options.eraSize,
        checkpointEvery: options.checkpointEvery,
        attemptsMax: commitAttemptsMax,
      },
      joinCompactions,
    );
  }

  /** Follows partitions up to this number, too. Those that are new are read at the next refresh. */
  grow(partitionCount: number): void {
    while (this.#partitions.length < partitionCount) {
      const catalog = new PartitionCatalog({
        objectStore: this.#options.objectStore,
        partition: this.#partitions.length,
        eraSize: this.#options.eraSize,
        names: this.#names,
        checkpointEvery: this.#options.checkpointEvery,
        groupBytes: this.#options.groupBytes,
        timers: this.#options.timers,
        onDamage: (text) => this.#tellCheckpoint(text),
        listener: {
          added: (live, section) => this.#index.added(live, section),
          removed: (live, section) => void this.#dropped.push({ live, section }),
        },
      });
      this.#partitions.push({ catalog, refreshing: undefined, isLoaded: false, damage: undefined });
    }
  }

  /** Catches up with all partitions. */
  async refresh(signal?: AbortSignal): Promise<void> {
    await this.#refreshAll(this.#partitions, signal);
    await this.refreshCompactions(signal);
  }

  /** Catches up with some partitions; `refreshCompactions` belongs behind it. */
  async refreshSome(partitions: readonly number[], signal?: AbortSignal): Promise<void> {
    await this.#refreshAll(
      partitions.map((partition) => this.#partition(partition)),
      signal,
    );
  }

  /**
   * Takes an ingester's news of a partition. Its damage is the ingester's: it is logged, and the store is
   * asked.
   *
   * @returns whether everything that the news names is known now
   */
  async learn({ partition, number, manifests }: PartitionNews): Promise<boolean> {
    const { catalog } = this.#partition(partition);
    try {
      if (manifests.length > 0) await catalog.learn(manifests);
    } catch (error) {
      this.#options.logger?.warn('catalog: news of a partition cannot be read', { err: String(error) });
    }
    return catalog.state.number >= number;
  }

  async #refreshAll(partitions: readonly Partition[], signal?: AbortSignal): Promise<void> {
    const waiting = [...partitions];
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next; next = waiting.pop()) await this.#refreshOne(next, signal);
    };
    await Promise.all(Array.from({ length: refreshesMax }, work));
  }

  /** Catches up with the compactors' log. */
  async refreshCompactions(signal?: AbortSignal): Promise<void> {
    await this.#readCompactions(signal);
    await this.#complete(signal);
  }

  /** Whether dropped sections wait for the compactors' log, or nothing can be told before it is read. */
  get awaitsCompactions(): boolean {
    return !this.#isComplete || this.#dropped.length > 0;
  }

  /**
   * Makes sure that the catalog reaches `offset` of the partition. Costs nothing when it does already.
   *
   * @throws LokiError `unavailable` when the store does not have manifests so far
   */
  async refreshTo(partition: number, offset: number, signal?: AbortSignal): Promise<void> {
    const current = this.#partition(partition);
    // The refresh under way may have looked too early: then one more, begun after now.
    for (let attempt = 0; attempt < 2 && current.catalog.state.endOffset < offset; attempt++) {
      await this.#refreshOne(current, signal);
    }
    await this.#complete(signal);
    this.#proveReach(partition, offset);
  }

  /**
   * Where the tenant's rows with startNs <= ts < endNs are; within a partition oldest first.
   *
   * @param upTo by partition: exactly the records below this offset are wanted, and it is proved that the
   *   catalog reaches it without a hole. Of partitions it does not name, everything known is given.
   * @throws LokiError `unavailable` when the catalog does not reach an offset: call `refreshTo` before
   */
  segmentsFor(
    tenant: string,
    startNs: bigint,
    endNs: bigint,
    upTo?: ReadonlyMap<number, number>,
  ): readonly SegmentRef[] {
    if (!this.#isComplete) throw new LokiError('unavailable', 'the catalog is not read yet');
    for (const [partition, offset] of upTo ?? []) this.#proveReach(partition, offset);
    const sections = this.#index
      .find(tenant, startNs, endNs)
      .filter((ref) => isBelow(ref, upTo?.get(ref.partition)));
    sections.sort((a, b) => a.partition - b.partition || a.startOffset - b.startOffset);
    const isKept = ({ partition, key }: FlushedInput): boolean =>
      this.state(partition).live.get(key)?.segment.sections.find(tenant) !== undefined;
    const refs = this.#compacted.apply(tenant, sections, { startNs, endNs }, { upTo, isKept });
    return refs.filter(({ clip }) => !clip || (clip.startNs < endNs && clip.endNs > startNs));
  }

  /** Tenants with anything stored. */
  tenants(): readonly string[] {
    return [...new Set([...this.#index.tenants(), ...this.#compacted.tenants()])];
  }

  /** The fold of a partition's manifests. */
  state(partition: number): CatalogState {
    return this.#partition(partition).catalog.state;
  }

  /**
   * The catalogs of all partitions, in their order, for the compactor's drops: a copy would take as much
   * again.
   */
  partitions(): readonly PartitionCatalog[] {
    return this.#partitions.map(({ catalog }) => catalog);
  }

  /** UTC days, counted from 1970, with anything of the tenant, but for sections too long to be compacted. */
  days(tenant: string): readonly number[] {
    return [...new Set([...this.#index.days(tenant), ...this.#compacted.days(tenant)])].sort((a, b) => a - b);
  }

  /** Sections over very many days are read as they are until they expire. */
  isCompactable(minNs: bigint, maxNs: bigint): boolean {
    return dayOf(maxNs) - dayOf(minNs) < daysMax;
  }

  /** Compacted segments, as far as known. */
  get compacted(): CompactionState {
    return this.#compacted;
  }

  /** One refresh at a time for each partition; who comes later waits for the same. */
  async #refreshOne(partition: Partition, signal: AbortSignal | undefined): Promise<void> {
    partition.refreshing ??= partition.catalog
      .load()
      .then(
        () => (partition.damage = undefined),
        (error: unknown) => (partition.damage = this.#toldDamage(error, partition.damage)),
      )
      .then(() => {
        if (!partition.isLoaded) this.#isComplete = false;
        partition.isLoaded = true;
      })
      .finally(() => (partition.refreshing = undefined));
    await abortable(partition.refreshing, signal);
  }

  /** A refresh under way may have begun before a partition was read for the first time: then one more. */
  async #complete(signal: AbortSignal | undefined): Promise<void> {
    for (let attempt = 0; attempt < 2 && !this.#isComplete; attempt++) await this.#readCompactions(signal);
  }

  /** One at a time; what was dropped before it began has surely been replaced by what it reads. */
  async #readCompactions(signal: AbortSignal | undefined): Promise<void> {
    this.#refreshingCompactions ??= this.#loadCompactions().finally(
      () => (this.#refreshingCompactions = undefined),
    );
    await abortable(this.#refreshingCompactions, signal);
  }

  async #loadCompactions(): Promise<void> {
    const dropped = [...this.#dropped];
    const loaded = this.#partitions.filter(({ isLoaded }) => isLoaded).length;
    try {
      await this.compactions.load();
      this.#compactionDamage = undefined;
      this.#dropped = this.#dropped.slice(dropped.length);
      for (const { live, section } of dropped) this.#index.removed(live, section);
    } catch (error) {
      // The sections stay in the index: what took their place may stand behind the damage.
      this.#compactionDamage = this.#toldDamage(error, this.#compactionDamage);
    }
    if (this.#partitions.filter(({ isLoaded }) => isLoaded).length === loaded) this.#isComplete = true;
  }

  /**
   * A damaged object keeps neither the process nor other partitions from being read: what stands before it is
   * sound. It is read anew at each refresh.
   *
   * @returns the text that names it
   * @throws other errors
   */
  #toldDamage(error: unknown, knownDamage: string | undefined): string {
    if (!(error instanceof LokiError) || error.code !== 'corrupt') throw error;
    if (error.message !== knownDamage) {
      this.#options.logger?.error('catalog: a damaged object; later objects are not read', {
        err: error.message,
        repair: 'lokictl repair',
      });
    }
    return error.message;
  }

  #tellCheckpoint(text: string): void {
    this.#options.logger?.error(
      'catalog: a damaged checkpoint; an older one and the manifests since are read',
      {
        err: text,
        repair: 'lokictl repair',
      },
    );
  }

  #proveReach(partition: number, offset: number): void {
    const { endOffset } = this.state(partition);
    if (endOffset >= offset) return;
    const { damage } = this.#partition(partition);
    throw new LokiError(
      'unavailable',
      `the catalog of partition ${partition} ends at ${endOffset}, below the committed offset ${offset}` +
        (damage === undefined ? '' : `: ${damage}`),
    );
  }

  #partition(partition: number): Partition {
    const current = this.#partitions[partition];
    if (!current) throw new RangeError(`partition ${partition} of ${this.#partitions.length}`);
    return current;
  }
}

/**
 * Manifests begin and end where committed offsets lie, so a segment is below an offset as a whole or not at
 * all.
 */
function isBelow(ref: SegmentRef, offset: number | undefined): boolean {
  if (offset === undefined || ref.endOffset <= offset) return true;
  if (ref.startOffset >= offset) return false;
  throw new LokiError(
    'internal',
    `segment ${ref.key} holds [${ref.startOffset}, ${ref.endOffset}), but ${offset} was said to be committed`,
  );
}
