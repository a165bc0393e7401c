/** Reads blocks of a segment that is in memory: step *fetch* of a query. */
import { columns } from '@loki/segment';
import type { Block, BlockFilter, BlockInfo, Section, Segment } from '@loki/segment';
import { HeldBlocks, blockKey } from './held-blocks.ts';
import type { LeafCache } from './leaf-cache.ts';
import type { SectionReader } from './section-reader.ts';

/** Reads blocks of bytes in memory; they are decoded at first use. */
export class MemoryReader implements SectionReader {
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

const allColumns = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;
