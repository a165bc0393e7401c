import type { Block } from '@loki/segment';

/**
 * Bytes of one pair beside its texts: two references into a table of symbols. A query's statistics count no
 * more than that.
 */
export const pairBytes = 8;
/** Distinct texts remembered; beyond it a new table begins, as it does in Loki with each chunk. */
const symbolsMax = 100_000;

/**
 * Counts structured metadata as Loki's volumes do: 8 bytes for each pair, and each distinct name or value
 * once for all rows that are counted together.
 */
export class MetadataCounter {
  readonly #symbols = new Set<string>();
  bytes = 0;

  /** Starts a new table of symbols. */
  reset(): void {
    this.#symbols.clear();
    this.bytes = 0;
  }

  /** Adds rows firstRow .. endRow of a block. O(their pairs). */
  addRows(block: Block, firstRow: number, endRow: number): void {
    const { columns, starts, column, code } = block.rowMetadata();
    const end = starts[endRow];
    // The last code seen of each column: neighbours mostly agree, and need no look into the set then.
    const last = new Map<number, number>();
    for (let i = starts[firstRow]; i < end; i++) {
      const { name, values } = columns[column[i]];
      const value = values[code[i] - 1];
      if (value === '') continue;
      this.bytes += pairBytes;
      if (last.get(column[i]) === code[i]) continue;
      last.set(column[i], code[i]);
      this.#addSymbol(name);
      this.#addSymbol(value);
    }
  }

  #addSymbol(text: string): void {
    if (this.#symbols.has(text)) return;
    if (this.#symbols.size >= symbolsMax) this.#symbols.clear();
    this.#symbols.add(text);
    this.bytes += Buffer.byteLength(text, 'utf8');
  }
}
