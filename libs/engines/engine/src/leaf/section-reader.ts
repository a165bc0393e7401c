/** Reads blocks of a tenant's section, from memory or the store, through the worker's cache. */
import type { LeafStats, WorkerEnv } from '@loki/ports';
import { columns, openSegment, readSegment } from '@loki/segment';
import type {
  Block,
  BlockFilter,
  BlockInfo,
  ColumnMask,
  Section,
  Segment,
  StoredSegment,
} from '@loki/segment';
import type { BlockCache } from './block-cache.ts';
import { LeafCache } from './leaf-cache.ts';
import { PartedBlock } from './parted-block.ts';

/** A source of a leaf's rows. Sources are given oldest first. */
export type LeafSource =
  | {
      readonly kind: 'bytes';
      readonly bytes: Uint8Array;
      /**
       * A name of the bytes that is unique in this process; with it, decoded blocks are cached for the next
       * query.
       */
      readonly cacheKey?: string;
      /**
       * Per run of the tenant's section: the number of its stream, the same in all sources of the task.
       * Absent: streams are identified by their labels.
       */
      readonly streams?: Int32Array;
    }
  | {
      readonly kind: 'object';
      readonly key: string;
      /** Only rows with startNs <= ts < endNs count; another source has the others. */
      readonly clip?: Clip;
    };

/** startNs <= ts < endNs. */
export interface Clip {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

const allColumns = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;

/** The columns that a scan needs of a block. `names`: only these metadata keys; undefined: all. */
export interface BlockNeed {
  readonly mask: ColumnMask;
  readonly names?: readonly string[];
}

/** A tenant's section of one source, and its blocks. */
export interface SectionReader {
  readonly section: Section;
  /** The data is in memory and not yet in the store. */
  readonly isHead: boolean;
  /** Rows outside of it do not count. */
  readonly clip?: Clip;
  /** A block with at least the requested columns; no promise when they are in memory. */
  load(info: BlockInfo, need: BlockNeed): Block | Promise<Block>;
  /** Stored bytes of the requested columns that are not in memory. */
  storedBytes(info: BlockInfo, need: BlockNeed): number;
  /** Starts to fetch blocks that will be loaded soon, in that order. */
  prefetch(infos: readonly BlockInfo[], need: BlockNeed): void;
  /** The search filters of blocks, read together; undefined for a block without one. */
  filters(infos: readonly BlockInfo[]): Promise<readonly (BlockFilter | undefined)[]>;
  /** Ends the scan's use of the block. */
  release(info: BlockInfo): void;
}

/** Opens a source; undefined when it has no rows of the tenant. */
export async function openSection(
  source: LeafSource,
  tenant: string,
  env: WorkerEnv,
  stats: LeafStats,
): Promise<SectionReader | undefined> {
  const cache = LeafCache.of(env);
  stats.segments++;
  if (source.kind === 'bytes') {
    const { cacheKey } = source;
    const cached = cacheKey === undefined ? undefined : (cache.segment(cacheKey) as Segment | undefined);
    const segment = cached ?? openSegment(source.bytes);
    if (cacheKey !== undefined && !cached) cache.keepSegment(cacheKey, segment);
    const section = segment.section(tenant);
    return section && new MemoryReader(segment, section, cacheKey, cache);
  }
  const segment = await measured(env, stats, () => openStored(source.key, env));
  const section = segment.section(tenant);
  return section && new StoreReader({ segment, section, clip: source.clip }, env, stats);
}

/** Adds the time of a request to the store to `stats`. */
async function measured<T>(env: WorkerEnv, stats: LeafStats, request: () => Promise<T>): Promise<T> {
  if (!env.clock) return request();
  const startMs = env.clock.monotonicMs();
  try {
    return await request();
  } finally {
    stats.fetchMs += env.clock.monotonicMs() - startMs;
  }
}

/** The footer of a stored segment, read once and cached for all leaves of this worker. */
export async function openStored(key: string, env: WorkerEnv): Promise<StoredSegment> {
  const cache = LeafCache.of(env);
  const cached = cache.segment(key) as StoredSegment | undefined;
  if (cached) return cached;
  const { tailGuess } = cache;
  const segment = await readSegment(env.objectStore, key, { tailGuess, cache: env.rangeCache });
  cache.keepSegment(key, segment);
  return segment;
}

function blockKey(segment: string, section: Section, info: BlockInfo): string {
  return `${segment}\u0000${section.tenant}\u0000${info.index}`;
}

function filterKey(segment: string, section: Section, info: BlockInfo): string {
  return `${blockKey(segment, section, info)}\u0000filter`;
}

/** The cached blocks that one scan uses, or has read ahead: they are not freed under it. */
class HeldBlocks {
  readonly #cache: BlockCache;
  readonly #keyOf: (info: BlockInfo) => string;
  readonly #blocks = new Map<number, PartedBlock>();

  constructor(cache: BlockCache, keyOf: (info: BlockInfo) => string) {
    this.#cache = cache;
    this.#keyOf = keyOf;
  }

  /** The block as the scan holds it, else as it is cached. The next `await` may end its life in the cache. */
  entry(info: BlockInfo): PartedBlock {
    return this.#blocks.get(info.index) ?? this.#cache.entry(this.#keyOf(info), info);
  }

  /** The block, held until it is released. */
  hold(info: BlockInfo): PartedBlock {
    const entry = this.entry(info);
    if (!this.#blocks.has(info.index)) {
      this.#blocks.set(info.index, entry);
      entry.holders++;
    }
    return entry;
  }

  release(info: BlockInfo): void {
    const block = this.#blocks.get(info.index);
    this.#blocks.delete(info.index);
    if (block) block.holders--;
    this.#cache.release(this.#keyOf(info), block);
  }
}

/** Reads blocks of bytes in memory; they are decoded at first use. */
class MemoryReader implements SectionReader {
  readonly section: Section;
  readonly isHead = true;
  readonly #segment: Segment;
  /** Absent: the source has no key, and nothing of it is cached. */
  readonly #held: HeldBlocks | undefined;
  /** Blocks of a source without a key live until the scan releases them. */
  readonly #decodedBlocks = new Map<number, Block>();

  constructor(segment: Segment, section: Section, cacheKey: string | undefined, cache: LeafCache) {
    this.#segment = segment;
    this.section = section;
    if (cacheKey !== undefined) {
      this.#held = new HeldBlocks(cache.blocks, (info) => blockKey(cacheKey, section, info));
    }
  }

  load(info: BlockInfo): Block {
    if (!this.#held) {
      let block = this.#decodedBlocks.get(info.index);
      if (!block) {
        block = this.#segment.block(this.section, info.index, allColumns);
        this.#decodedBlocks.set(info.index, block);
      }
      return block;
    }
    const entry = this.#held.hold(info);
    if (entry.missing(allColumns, undefined) !== 0) {
      const block = this.#segment.block(this.section, info.index, allColumns);
      entry.add({ block, mask: allColumns, names: undefined });
    }
    return entry;
  }

  storedBytes(): number {
    return 0;
  }

  prefetch(): void {
    // All bytes are in memory.
  }

  filters(infos: readonly BlockInfo[]): Promise<(BlockFilter | undefined)[]> {
    const filterOf = ({ index }: BlockInfo) =>
      this.#segment.block(this.section, index, columns.filter).filter();
    return Promise.resolve(infos.map(filterOf));
  }

  release(info: BlockInfo): void {
    this.#decodedBlocks.delete(info.index);
    this.#held?.release(info);
  }
}

/** Reads blocks of a stored object: columns are fetched when they are needed, a few blocks ahead. */
class StoreReader implements SectionReader {
  readonly section: Section;
  readonly isHead = false;
  readonly clip: Clip | undefined;
  readonly #segment: StoredSegment;
  readonly #cache: LeafCache;
  readonly #env: WorkerEnv;
  readonly #stats: LeafStats;
  /** Fetches in progress, by block. */
  readonly #pending = new Map<number, Promise<void>>();
  readonly #held: HeldBlocks;

  constructor(
    from: { segment: StoredSegment; section: Section; clip: Clip | undefined },
    env: WorkerEnv,
    stats: LeafStats,
  ) {
    this.#segment = from.segment;
    this.section = from.section;
    this.clip = from.clip;
    this.#cache = LeafCache.of(env);
    this.#held = new HeldBlocks(this.#cache.blocks, (info) => blockKey(from.segment.key, from.section, info));
    this.#env = env;
    this.#stats = stats;
  }

  load(info: BlockInfo, need: BlockNeed): Block | Promise<Block> {
    const entry = this.#held.hold(info);
    const pending = this.#pending.get(info.index);
    if (pending) return pending.then(() => this.#fetch(info, entry, need));
    return entry.missing(need.mask, need.names) === 0 ? entry : this.#fetch(info, entry, need);
  }

  storedBytes(info: BlockInfo, { mask, names }: BlockNeed): number {
    const missing = this.#held.entry(info).missing(mask, names);
    return missing === 0 ? 0 : this.#segment.storedBytes(this.section, info.index, missing, names);
  }

  prefetch(infos: readonly BlockInfo[], need: BlockNeed): void {
    const missing = infos.filter(
      (info) => !this.#pending.has(info.index) && this.#held.entry(info).missing(need.mask, need.names) !== 0,
    );
    if (missing.length === 0) return;
    const entries = missing.map((info) => this.#held.hold(info));
    const indices = missing.map((info) => info.index);
    const fetched = measured(this.#env, this.#stats, () =>
      this.#segment.fetchBlocks(this.section, indices, need.mask, { metadataNames: need.names }),
    ).then((blocks) => {
      blocks.forEach((block, i) => {
        entries[i].add({ block, mask: need.mask, names: need.names });
        this.#pending.delete(indices[i]);
      });
    });
    // The load of the block reports the failure; there may be no load when the scan ends early.
    fetched.catch(() => indices.forEach((index) => this.#pending.delete(index)));
    for (const index of indices) this.#pending.set(index, fetched);
    for (const info of missing) this.#stats.compressedBytes += info.storedBytes;
  }

  async filters(infos: readonly BlockInfo[]): Promise<(BlockFilter | undefined)[]> {
    // Filters have cache entries of their own: reading a filter is no use of the columns, which are fifty
    // times as large.
    const { blocks: cache } = this.#cache;
    const keys = infos.map((info) => filterKey(this.#segment.key, this.section, info));
    const entries = infos.map((info, i) => cache.peek(keys[i]) ?? new PartedBlock(info));
    const missing = infos.flatMap((info, i) =>
      info.filterKind !== 0 && entries[i].missing(columns.filter, undefined) !== 0 ? [i] : [],
    );
    if (missing.length > 0) {
      const indices = missing.map((i) => infos[i].index);
      const blocks = await measured(this.#env, this.#stats, () =>
        this.#segment.fetchBlocks(this.section, indices, columns.filter),
      );
      blocks.forEach((block, i) =>
        entries[missing[i]].add({ block, mask: columns.filter, names: undefined }),
      );
    }
    return infos.map((info, i) => {
      if (info.filterKind === 0) return undefined;
      const filter = entries[i].filter();
      cache.release(keys[i], entries[i]);
      return filter;
    });
  }

  release(info: BlockInfo): void {
    this.#held.release(info);
  }

  async #fetch(info: BlockInfo, entry: PartedBlock, need: BlockNeed): Promise<Block> {
    const missing = entry.missing(need.mask, need.names);
    if (missing === 0) return entry;
    const block = await measured(this.#env, this.#stats, () =>
      this.#segment.fetchBlock(this.section, info.index, missing, { metadataNames: need.names }),
    );
    entry.add({ block, mask: missing, names: need.names });
    return entry;
  }
}
