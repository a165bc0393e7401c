/** Reads blocks of a stored segment by ranges, some ahead of the scan: step *fetch* of a query. */
import type { LeafStats, WorkerEnv } from '@loki/ports';
import { columns } from '@loki/segment';
import type { Block, BlockFilter, BlockInfo, ColumnMask, Section, StoredSegment } from '@loki/segment';
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
    if (entry.missing(need.mask, need.names) === 0) return entry;
    const pending = entry.expected(need.mask, need.names);
    return pending ? pending.then(() => this.#fetch(info, entry, need)) : this.#fetch(info, entry, need);
  }

  storedBytes(info: BlockInfo, { mask, names }: BlockNeed): number {
    const missing = this.#held.entry(info).missing(mask, names);
    return missing === 0 ? 0 : this.#segment.storedBytes(this.section, info.index, missing, names);
  }

  prefetch(infos: readonly BlockInfo[], { mask, names }: BlockNeed): void {
    // Columns that are there, or on their way to another scan, are not fetched again.
    const byMask = new Map<ColumnMask, BlockInfo[]>();
    for (const info of infos) {
      const entry = this.#held.hold(info);
      const missing = entry.missing(mask, names);
      if (missing === 0 || entry.expected(mask, names)) continue;
      const group = byMask.get(missing);
      if (group) group.push(info);
      else byMask.set(missing, [info]);
    }
    for (const [missing, group] of byMask) this.#prefetch(group, { mask: missing, names });
  }

  #prefetch(infos: readonly BlockInfo[], part: { mask: ColumnMask; names?: readonly string[] }): void {
    const { mask, names } = part;
    const entries = infos.map((info) => this.#held.hold(info));
    const indices = infos.map((info) => info.index);
    const fetched = measured(this.#env, this.#stats, () =>
      this.#segment.fetchBlocks(this.section, indices, mask, { metadataNames: names }),
    ).then((blocks) => blocks.forEach((block, i) => entries[i].add({ block, mask, names })));
    // The load of the block reports the failure; there may be no load when the scan ends early.
    fetched.catch(() => undefined);
    for (const info of infos) {
      this.#held.fetch(info, { mask, names }, fetched);
      this.#stats.compressedBytes += info.storedBytes;
    }
  }

  async filters(infos: readonly BlockInfo[]): Promise<(BlockFilter | undefined)[]> {
    // Filters have cache entries of their own: reading a filter is no use of the columns, which are fifty
    // times as large.
    const { blocks: cache } = this.#cache;
    const keys = infos.map((info) => filterKey(this.#segment.key, this.section, info));
    const entries = infos.map(
      (info, i) => cache.peek(keys[i]) ?? cache.fetching(keys[i]) ?? new PartedBlock(info),
    );
    const missing: number[] = [];
    const pending = new Set<Promise<void>>();
    infos.forEach((info, i) => {
      if (info.filterKind === 0 || entries[i].missing(columns.filter, undefined) === 0) return;
      const fetch = entries[i].expected(columns.filter, undefined);
      if (fetch) pending.add(fetch);
      else missing.push(i);
    });
    if (missing.length > 0) {
      const indices = missing.map((i) => infos[i].index);
      const part = { mask: columns.filter, names: undefined };
      const fetched = this.#segment
        .fetchBlocks(this.section, indices, columns.filter)
        .then((blocks) => blocks.forEach((block, i) => entries[missing[i]].add({ block, ...part })));
      for (const i of missing) cache.fetch(keys[i], entries[i], part, fetched);
      pending.add(fetched);
    }
    if (pending.size > 0) await measured(this.#env, this.#stats, () => Promise.all(pending));
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
    const part = { mask: missing, names: need.names };
    const fetched = measured(this.#env, this.#stats, () =>
      this.#segment.fetchBlock(this.section, info.index, missing, { metadataNames: need.names }),
    ).then((block) => entry.add({ block, ...part }));
    this.#held.fetch(info, part, fetched);
    await fetched;
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
