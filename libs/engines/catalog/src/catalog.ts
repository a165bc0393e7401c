/** The read side of the catalog: step *select* of a query, and the plans of compactors. */
import { LokiError } from '@loki/model';
import type { Logger, ObjectStore, PartitionNews, Timers } from '@loki/ports';
import { abortable } from './abortable.ts';
import type { CatalogState } from './catalog-state.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { compactionCheckpoints } from './compaction-checkpoint.ts';
import { joinCompactions } from './compaction-manifest.ts';
import type { CompactionManifest, FlushedInput } from './compaction-manifest.ts';
import { CompactionState } from './compaction-state.ts';
import { FollowedPartitions, tellDamage } from './followed-partitions.ts';
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

/**
 * Most attempts of a commit: of 30 compactors that commit all the time, each loses 29 of 30 times, and so
 * many in a row once in 10^7 times.
 */
const commitAttemptsMax = 512;

/** The read side: all partitions' manifests, folded and indexed by tenant and time. */
export class Catalog {
  readonly #partitions: FollowedPartitions;
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
    const onFirstLoad = (): void => void (this.#isComplete = false);
    this.#partitions = new FollowedPartitions({ logger: options.logger, onFirstLoad });
    this.grow(options.partitionCount);
    const checkpoints = new CheckpointStore(
      compactionCheckpoints(() => new CompactionState(), options.groupBytes),
      { ...options, onDamage: (text) => this.#tellCheckpoint(text) },
    );
    this.compactions = new GroupedLog(
      {
        objectStore: options.objectStore,
        state: this.#compacted,
        checkpoints: checkpoints.of(this.#compacted),
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
    while (this.#partitions.count < partitionCount) {
      const catalog = new PartitionCatalog({
        objectStore: this.#options.objectStore,
        partition: this.#partitions.count,
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
      this.#partitions.add(catalog);
    }
  }

  /** Catches up with all partitions. */
  async refresh(signal?: AbortSignal): Promise<void> {
    await this.#partitions.refresh(undefined, signal);
    await this.refreshCompactions(signal);
  }

  /** Catches up with some partitions; `refreshCompactions` belongs behind it. */
  async refreshSome(partitions: readonly number[], signal?: AbortSignal): Promise<void> {
    await this.#partitions.refresh(partitions, signal);
  }

  /**
   * Takes an ingester's news of a partition. Its damage is the ingester's: it is logged, and the store is
   * asked.
   *
   * @returns whether everything that the news names is known now
   */
  learn(news: PartitionNews): Promise<boolean> {
    return this.#partitions.learn(news);
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
    await this.#partitions.refreshTo(partition, offset, signal);
    await this.#complete(signal);
    this.#partitions.proveReach(partition, offset);
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
    for (const [partition, offset] of upTo ?? []) this.#partitions.proveReach(partition, offset);
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
    return this.#partitions.catalog(partition).state;
  }

  /**
   * The catalogs of all partitions, in their order, for the compactor's drops: a copy would take as much
   * again.
   */
  partitions(): readonly PartitionCatalog[] {
    return this.#partitions.catalogs();
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
    const { loadedCount } = this.#partitions;
    try {
      await this.compactions.load();
      this.#compactionDamage = undefined;
      this.#dropped = this.#dropped.slice(dropped.length);
      for (const { live, section } of dropped) this.#index.removed(live, section);
    } catch (error) {
      // The sections stay in the index: what took their place may stand behind the damage.
      const { logger } = this.#options;
      this.#compactionDamage = tellDamage(error, { logger, knownDamage: this.#compactionDamage });
    }
    if (this.#partitions.loadedCount === loadedCount) this.#isComplete = true;
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
