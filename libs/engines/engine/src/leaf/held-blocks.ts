/** Decoded blocks of one scan, held in the worker's cache until the scan releases them. */
import type { BlockInfo, Section } from '@loki/segment';
import type { BlockCache } from './block-cache.ts';
import type { Fetch, PartedBlock } from './parted-block.ts';

export function blockKey(segment: string, section: Section, info: BlockInfo): string {
  return `${segment}\u0000${section.tenant}\u0000${info.index}`;
}

export function filterKey(segment: string, section: Section, info: BlockInfo): string {
  return `${blockKey(segment, section, info)}\u0000filter`;
}

/** The cached blocks that one scan uses, or has read ahead: they are not freed under it. */
export class HeldBlocks {
  readonly #cache: BlockCache;
  readonly #keyOf: (info: BlockInfo) => string;
  readonly #blocks = new Map<number, PartedBlock>();

  constructor(cache: BlockCache, keyOf: (info: BlockInfo) => string) {
    this.#cache = cache;
    this.#keyOf = keyOf;
  }

  /**
   * The scan's own copy of the block, else the cached one. The next `await` may end its life in the cache.
   */
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

  /** Notes that columns of a held block are being fetched. */
  fetch(info: BlockInfo, part: Omit<Fetch, 'done'>, done: Promise<void>): void {
    this.#cache.fetch(this.#keyOf(info), this.hold(info), part, done);
  }

  release(info: BlockInfo): void {
    const block = this.#blocks.get(info.index);
    this.#blocks.delete(info.index);
    if (block) block.holders--;
    this.#cache.release(this.#keyOf(info), block);
  }
}
