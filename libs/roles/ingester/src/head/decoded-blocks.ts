/** Caches decoded blocks of head records while repeated entries are searched. */
import { columns } from '@loki/segment';
import type { Block, ColumnMask } from '@loki/segment';
import { WeighedCache } from '../common/weighed-cache.ts';
import type { HeadRecord } from './head-record.ts';

/** All columns of an entry. */
export const entryColumns: ColumnMask =
  columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;

/**
 * Decoded blocks of head records. Repeats come in streaks (a client that repeats a push, a stream with coarse
 * timestamps), so the block compared last is nearly always needed next.
 */
export class DecodedBlocks {
  readonly #blocks: WeighedCache<Block>;

  constructor(bytesMax: number) {
    this.#blocks = new WeighedCache(bytesMax, (block) => block.memoryBytes());
  }

  get(record: HeadRecord, tenant: string, index: number): Block {
    const key = `${record.offset}/${index}/${tenant}`;
    let block = this.#blocks.get(key);
    if (!block) {
      const { segment } = record;
      block = segment.block(segment.section(tenant)!, index, entryColumns);
      this.#blocks.set(key, block);
    }
    return block;
  }
}
