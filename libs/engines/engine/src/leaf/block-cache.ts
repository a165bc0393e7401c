/** A worker's cache of decoded blocks: step *fetch, scan* of a query. */
import type { BlockInfo } from '@loki/segment';
import { PartedBlock } from './parted-block.ts';
import type { Fetch } from './parted-block.ts';

/** Share of the cache for young blocks, which have not yet been read repeatedly. */
const youngShare = 1 / 8;
/** Most prefetched blocks; a scan may end before it reaches them. */
const aheadMax = 128;
/** Counted uses for each cached block, and their minimum. */
const usesPerBlock = 8;
const usesMin = 1024;

interface CacheEntry {
  readonly block: PartedBlock;
  /** End of its last use, counted in uses of all blocks. */
  usedAt: number;
  /** Uses of all blocks between the block's last two uses, without uses while it was young. */
  readonly distance: number;
  weight: number;
}

/**
 * Decoded blocks by key, shared by all queries of a worker: a dashboard's panels scan the same data. A
 * block's weight is its current memory (columns are decoded at first use).
 *
 * Scans read the same blocks in the same order again and again. If they do not all fit, an LRU cache evicts
 * each block just before it is read again and never hits. Here a block that leaves the young ones replaces an
 * old one only if its last two uses were closer together than the old one has been idle. So a part of a large
 * scan stays cached, and blocks that are no longer read make room for others.
 *
 * The memory of an evicted block is free at once, unless a scan holds the block. The next block reuses it, so
 * that a large scan waits neither for the garbage collector nor for new pages.
 */
export class BlockCache {
  readonly #bytesMax: number;
  /** Prefetched blocks that no scan has used yet. */
  readonly #ahead = new Map<string, PartedBlock>();
  /** Blocks of which columns are being fetched: other scans wait for these, and do not fetch them again. */
  readonly #fetching = new Map<string, PartedBlock>();
  /**
   * Young blocks in order of arrival. Uses close together, by panels that read at the same time, count as one
   * use: they do not predict when the block will be read again.
   */
  readonly #young = new Map<string, CacheEntry>();
  /** Old blocks, from the least to the most recently used. */
  readonly #old = new Map<string, CacheEntry>();
  #youngBytes = 0;
  #oldBytes = 0;
  /** Last uses of blocks, also of evicted ones; oldest first. */
  readonly #uses = new Map<string, number>();
  #now = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  /** The block of `key`, created without columns if it is not cached. */
  entry(key: string, info: BlockInfo): PartedBlock {
    let block = this.peek(key) ?? this.#ahead.get(key) ?? this.#fetching.get(key);
    if (!block) {
      block = new PartedBlock(info);
      this.#ahead.set(key, block);
      if (this.#ahead.size > aheadMax) this.#ahead.delete(this.#ahead.keys().next().value!);
    }
    return block;
  }

  /** The block of `key`, if it is cached and a scan has used it. */
  peek(key: string): PartedBlock | undefined {
    return (this.#old.get(key) ?? this.#young.get(key))?.block;
  }

  /** The block of `key` of which columns are being fetched, whether or not it will be cached. */
  fetching(key: string): PartedBlock | undefined {
    return this.#fetching.get(key);
  }

  /** Notes that a part of the block is being fetched, for scans that need the same part meanwhile. */
  fetch(key: string, block: PartedBlock, part: Omit<Fetch, 'done'>, done: Promise<void>): void {
    this.#fetching.set(key, block);
    block.expect({ ...part, done });
    const end = (): void => {
      if (this.#fetching.get(key) === block && !block.isFetching) this.#fetching.delete(key);
    };
    done.then(end, end);
  }

  /** Empties the cache. */
  clear(): void {
    for (const blocks of [this.#ahead, this.#fetching, this.#young, this.#old, this.#uses]) blocks.clear();
    this.#youngBytes = this.#oldBytes = 0;
  }

  /**
   * Ends a scan's use of a block: updates the block's weight and makes room.
   *
   * @param block the block to cache when the entry has none; default: the one that `entry` created
   */
  release(key: string, block = this.#ahead.get(key)): void {
    this.#now++;
    const old = this.#old.get(key);
    if (old) {
      this.#oldBytes += weigh(old);
      old.usedAt = this.#now;
      moveToEnd(this.#old, key, old);
      this.#makeRoom(0, Infinity);
    } else this.#releaseYoung(key, block);
    moveToEnd(this.#uses, key, this.#now);
    const usesMax = Math.max(usesMin, usesPerBlock * (this.#old.size + this.#young.size));
    for (const oldest of this.#uses.keys()) {
      if (this.#uses.size <= usesMax) break;
      this.#uses.delete(oldest);
    }
  }

  #releaseYoung(key: string, block: PartedBlock | undefined): void {
    let young = this.#young.get(key);
    if (!young) {
      if (!block) return;
      this.#ahead.delete(key);
      const distance = this.#now - (this.#uses.get(key) ?? -Infinity);
      young = { block, distance, usedAt: this.#now, weight: 0 };
      this.#young.set(key, young);
    }
    young.usedAt = this.#now;
    this.#youngBytes += weigh(young);
    this.#ageYoung();
  }

  /** Moves the oldest young blocks to the old ones, or evicts them, until the young ones fit. */
  #ageYoung(): void {
    while (this.#youngBytes > this.#bytesMax * youngShare) {
      const [key, entry] = this.#young.entries().next().value!;
      this.#young.delete(key);
      this.#youngBytes -= entry.weight;
      if (this.#makeRoom(entry.weight, entry.distance)) {
        this.#old.set(key, entry);
        this.#oldBytes += entry.weight;
      } else entry.block.drop();
    }
  }

  /** Makes room for a block of that weight and distance. False: the old blocks are more useful. */
  #makeRoom(weight: number, distance: number): boolean {
    const bytesMax = this.#bytesMax * (1 - youngShare);
    if (weight > bytesMax) return false;
    while (this.#oldBytes + weight > bytesMax) {
      const [key, oldest] = this.#old.entries().next().value!;
      // With weight 0 the old blocks themselves have grown.
      if (weight > 0 && distance >= this.#now - oldest.usedAt) return false;
      this.#old.delete(key);
      this.#oldBytes -= oldest.weight;
      oldest.block.drop();
    }
    return true;
  }
}

/** @returns the increase of the block's weight */
function weigh(entry: CacheEntry): number {
  const oldWeight = entry.weight;
  entry.weight = entry.block.memoryBytes();
  return entry.weight - oldWeight;
}

function moveToEnd<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
}
