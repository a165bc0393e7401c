import type { BlockInfo } from '@loki/segment';
import { PartedBlock } from './parted-block.ts';

/** The part of the room that blocks have before they must prove that they are read again. */
const youngShare = 1 / 8;
/** Blocks that were fetched ahead of scans which may never come to them. */
const aheadMax = 128;
/** Past uses that are remembered: for each block that is kept, and at least. */
const usesPerBlock = 8;
const usesMin = 1024;

interface Kept {
  readonly block: PartedBlock;
  /** When its use ended last, in uses of all blocks. */
  usedAt: number;
  /** Uses of all blocks between its last two, those while it was young not counted. */
  readonly distance: number;
  weight: number;
}

/**
 * Decoded blocks by key, shared by all queries of a worker: a dashboard's panels scan the same data. Weighed
 * by what the blocks take in memory now (columns are decoded as they are used).
 *
 * Scans read the same blocks in the same order again and again. When these do not all fit, the cache that
 * forgets the least recently used forgets each block just before it is read again, and answers nothing at
 * all. Here a block that was new for a while takes the place of an older one only when its own last two uses
 * were closer to each other than the older one has been idle: of a scan that does not fit, as much stays as
 * has room, and blocks that nobody reads any more still make room for those that are read.
 */
export class BlockCache {
  readonly #bytesMax: number;
  /** Fetched, and not used by a scan yet. */
  readonly #ahead = new Map<string, PartedBlock>();
  /**
   * In order of arrival. Uses close to each other, by panels that read side by side, are one use: they move
   * nothing, and say nothing of when the block will be read again.
   */
  readonly #young = new Map<string, Kept>();
  /** From the least to the most recently used. */
  readonly #old = new Map<string, Kept>();
  #youngBytes = 0;
  #oldBytes = 0;
  /** When blocks that may be gone were used last; oldest first. */
  readonly #uses = new Map<string, number>();
  #now = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  /** The block under `key`, perhaps without any column yet. */
  entry(key: string, info: BlockInfo): PartedBlock {
    let block = this.peek(key) ?? this.#ahead.get(key);
    if (!block) {
      block = new PartedBlock(info);
      this.#ahead.set(key, block);
      if (this.#ahead.size > aheadMax) this.#ahead.delete(this.#ahead.keys().next().value!);
    }
    return block;
  }

  /** The block under `key`, if a scan has used it and it is still there. */
  peek(key: string): PartedBlock | undefined {
    return (this.#old.get(key) ?? this.#young.get(key))?.block;
  }

  /** Forgets everything. */
  clear(): void {
    for (const blocks of [this.#ahead, this.#young, this.#old, this.#uses]) blocks.clear();
    this.#youngBytes = this.#oldBytes = 0;
  }

  /**
   * To be called when a scan is done with a block: weighs it anew, and makes room.
   *
   * @param block what is kept when nothing is; by default what `entry` made
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

  /** Those that are young no longer find a place among the old, or go. */
  #ageYoung(): void {
    while (this.#youngBytes > this.#bytesMax * youngShare) {
      const [key, kept] = this.#young.entries().next().value!;
      this.#young.delete(key);
      this.#youngBytes -= kept.weight;
      if (!this.#makeRoom(kept.weight, kept.distance)) continue;
      this.#old.set(key, kept);
      this.#oldBytes += kept.weight;
    }
  }

  /** Makes room among the old for a block of that weight and distance. False: it has no better claim. */
  #makeRoom(weight: number, distance: number): boolean {
    const bytesMax = this.#bytesMax * (1 - youngShare);
    if (weight > bytesMax) return false;
    while (this.#oldBytes + weight > bytesMax) {
      const [key, kept] = this.#old.entries().next().value!;
      // Without a newcomer the old ones themselves have grown.
      if (weight > 0 && distance >= this.#now - kept.usedAt) return false;
      this.#old.delete(key);
      this.#oldBytes -= kept.weight;
    }
    return true;
  }
}

/** @returns by how much the block became heavier */
function weigh(kept: Kept): number {
  const before = kept.weight;
  kept.weight = kept.block.memoryBytes();
  return kept.weight - before;
}

function moveToEnd<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
}
