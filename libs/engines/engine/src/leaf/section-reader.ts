/** A tenant's section by blocks, as a scan reads it: step *fetch* of a query. */
import type { Block, BlockFilter, BlockInfo, ColumnMask, Section } from '@loki/segment';

/** startNs <= ts < endNs. */
export interface Clip {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

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
