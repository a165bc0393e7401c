/** Reads blocks of a stored segment by ranges, some ahead of the scan: step *fetch* of a query. */
import type { LeafStats, WorkerEnv } from '@loki/ports';
import { columns } from '@loki/segment';
import type { Block, BlockFilter, BlockInfo, Section, StoredSegment } from '@loki/segment';
import { HeldBlocks, blockKey, filterKey } from './held-blocks.ts';
import { LeafCache } from './leaf-cache.ts';
import { PartedBlock } from './parted-block.ts';
import type { BlockNeed, Clip, SectionReader } from './section-reader.ts';

/** Reads blocks of a stored object: columns are fetched when they are needed, a few blocks ahead. */
export class StoreReader implements SectionReader {
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

/** Adds the time of a request to the store to `stats`. */
export async function measured<T>(env: WorkerEnv, stats: LeafStats, request: () => Promise<T>): Promise<T> {
  if (!env.clock) return request();
  const startMs = env.clock.monotonicMs();
  try {
    return await request();
  } finally {
    stats.fetchMs += env.clock.monotonicMs() - startMs;
  }
}
