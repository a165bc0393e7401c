/** The read side of the catalog: step *select* of a query, and the plans of compactors. */
import { LokiError } from '@loki/model';
import type { Logger, ObjectStore, PartitionNews, Timers } from '@loki/ports';
import { compactionCheckpoints } from './compaction/compaction-checkpoint.ts';
import { joinCompactions } from './compaction/compaction-manifest.ts';
import type { CompactionManifest, FlushedInput } from './compaction/compaction-manifest.ts';
import { CompactionState } from './compaction/compaction-state.ts';
import { dayOf, daysMax, SectionIndex } from './compaction/section-index.ts';
import type { SegmentRef } from './compaction/section-index.ts';
import { FollowedPartitions, tellDamage } from './followed-partitions.ts';
import { abortable } from './logs/abortable.ts';
import type { CatalogState } from './logs/catalog-state.ts';
import { CheckpointStore } from './logs/checkpoint-store.ts';
import { GroupedLog } from './logs/grouped-log.ts';
import { compactionKeys } from './logs/keys.ts';
import type { ManifestSection } from './logs/manifest.ts';
import { PartitionCatalog } from './logs/partition-catalog.ts';
import { TenantNames } from './logs/section-table.ts';
import type { LiveSegment } from './logs/segment-groups.ts';

interface CatalogOptions {
  readonly objectStore: ObjectStore;
  /** Yields to the event loop during the read of a checkpoint. */
  readonly timers?: Timers;
  readonly logger?: Logger;
  /** The catalog follows partitions 0 .. partitionCount - 1. */
  readonly partitionCount: number;
  /** Manifests of an era; tests set it. Every process of a store must use the same value. */
  readonly eraSize?: number;
  /** Manifests of each log from one checkpoint to the next. */
  readonly checkpointEvery?: number;
  /** Approximate unpacked bytes of a part of a checkpoint; tests set it. */
  readonly groupBytes?: number;
}

/**
 * Maximum of attempts of a commit: each of 30 compactors that commit all the time loses 29 of 30 attempts,
 * and this number in a row once in 10^7 times.
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
  /** The compactors' log was read after the first read of every partition. */
  #isComplete = false;
  /**
   * Sections that their partition has dropped. They leave the index only after the next read of the
   * compactors' log, which has their replacements.
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

  /** Follows partitions up to this number, too. The next refresh reads new ones. */
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

  /** Catches up with some partitions; call `refreshCompactions` afterwards. */
  async refreshSome(partitions: readonly number[], signal?: AbortSignal): Promise<void> {
    await this.#partitions.refresh(partitions, signal);
  }

  /**
   * Takes an ingester's news of a partition. Its damage is the ingester's: it is logged, and the store is
   * asked.
   *
   * @returns whether the catalog has all manifests of the news
   */
  learn(news: PartitionNews): Promise<boolean> {
    return this.#partitions.learn(news);
  }

  /** Catches up with the compactors' log. */
  async refreshCompactions(signal?: AbortSignal): Promise<void> {
    await this.#readCompactions(signal);
    await this.#complete(signal);
  }

  /** Whether dropped sections wait for a read of the compactors' log, or the log was never read. */
  get awaitsCompactions(): boolean {
    return !this.#isComplete || this.#dropped.length > 0;
  }

  /**
   * Catches up with `offset` of the partition. Costs nothing when the catalog has read that far.
   *
   * @throws LokiError `unavailable` when the manifests in the store end below `offset`
   */
  async refreshTo(partition: number, offset: number, signal?: AbortSignal): Promise<void> {
    await this.#partitions.refreshTo(partition, offset, signal);
    await this.#complete(signal);
    this.#partitions.proveReach(partition, offset);
  }

  /**
   * References to segments with the tenant's rows with startNs <= ts < endNs; within a partition oldest
   * first.
   *
   * @param upTo by partition: exactly the records below this offset are wanted, and it is proved that the
   *   catalog reaches it without a hole. For other partitions all segments that were read are returned.
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

  /** Tenants with stored rows. */
  tenants(): readonly string[] {
    return [...new Set([...this.#index.tenants(), ...this.#compacted.tenants()])];
  }

  /** The fold of a partition's manifests. */
  state(partition: number): CatalogState {
    return this.#partitions.catalog(partition).state;
  }

  /**
   * The catalogs of all partitions, in order, for the compactor's drops. Not a copy, which would double the
   * memory.
   */
  partitions(): readonly PartitionCatalog[] {
    return this.#partitions.catalogs();
  }

  /**
   * UTC days, counted from 1970, with rows of the tenant, without sections that are too long to be compacted.
   */
  days(tenant: string): readonly number[] {
    return [...new Set([...this.#index.days(tenant), ...this.#compacted.days(tenant)])].sort((a, b) => a - b);
  }

  /** False: sections over too many days stay uncompacted until they expire. */
  isCompactable(minNs: bigint, maxNs: bigint): boolean {
    return dayOf(maxNs) - dayOf(minNs) < daysMax;
  }

  /** Compacted segments in the part of the log that was read. */
  get compacted(): CompactionState {
    return this.#compacted;
  }

  /** The present refresh may have begun before the first read of a partition: then another one follows. */
  async #complete(signal: AbortSignal | undefined): Promise<void> {
    for (let attempt = 0; attempt < 2 && !this.#isComplete; attempt++) await this.#readCompactions(signal);
  }

  /** One read at a time. It has the replacements of all sections that were dropped before its start. */
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
      // The sections stay in the index: their replacements may be behind the damage.
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
 * Manifests begin and end at committed offsets: a segment is completely below an offset, or completely above.
 */
function isBelow(ref: SegmentRef, offset: number | undefined): boolean {
  if (offset === undefined || ref.endOffset <= offset) return true;
  if (ref.startOffset >= offset) return false;
  throw new LokiError(
    'internal',
    `segment ${ref.key} holds [${ref.startOffset}, ${ref.endOffset}), but ${offset} was said to be committed`,
  );
}
