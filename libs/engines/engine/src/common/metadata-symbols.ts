/** Counts bytes of structured metadata in volumes, as Loki does. */
import { pairBytes } from '@loki/segment';
import type { Block } from '@loki/segment';

/** Most distinct texts of a table; then a new table begins, as in Loki with each chunk. */
const symbolsMax = 100_000;
/** Most symbols of a shared table, and most shared tables. */
const sharedSizeMax = 8;
const sharedTablesMax = 1 << 16;
/** Exceeds every symbol number. */
const symbolRange = 2 ** 26;

/**
 * The symbols of rows so far, as an immutable value. Tables with the same few symbols share one number,
 * because rows of most streams have the same metadata.
 */
export type SymbolTable = number | Set<number>;

/**
 * Counts structured metadata as Loki's volumes do: 8 bytes for each pair, and each distinct name or value
 * once for all rows that share a table of symbols.
 */
export class MetadataSymbols {
  /** A table without symbols. */
  readonly empty: SymbolTable = 0;
  /** Bytes of the rows that were added last. */
  bytes = 0;
  readonly #numbers = new Map<string, number>();
  readonly #textBytes: number[] = [];
  readonly #tables: (readonly number[])[] = [[]];
  /** The next table, by shared table and added symbol. */
  readonly #next = new Map<number, number>();
  #block: Block | undefined;
  #columns: readonly SymbolColumn[] = [];

  /** Adds the rows firstRow .. endRow of a block to a table. `bytes` is then their size. */
  with(table: SymbolTable, block: Block, firstRow: number, endRow: number): SymbolTable {
    const { columns, starts, column, code } = block.rowMetadata();
    if (this.#block !== block) {
      this.#block = block;
      this.#columns = columns.map(({ name, values }) => ({
        name: this.#numberOf(name),
        values,
        numbers: [],
      }));
    }
    this.bytes = 0;
    let next = table;
    // Neighbouring cells are mostly equal and are then skipped.
    let [lastColumn, lastCode] = [-1, -1];
    for (let i = starts[firstRow]; i < starts[endRow]; i++) {
      const { name, values, numbers } = this.#columns[column[i]];
      const value = values[code[i] - 1];
      if (value === '') continue;
      this.bytes += pairBytes;
      if (lastColumn === column[i] && lastCode === code[i]) continue;
      [lastColumn, lastCode] = [column[i], code[i]];
      next = this.#add(next, name);
      next = this.#add(next, (numbers[code[i]] ??= this.#numberOf(value)));
    }
    return next;
  }

  #numberOf(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#textBytes.push(Buffer.byteLength(text, 'utf8')) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }

  #add(table: SymbolTable, symbol: number): SymbolTable {
    if (typeof table !== 'number') {
      if (table.has(symbol)) return table;
      if (table.size >= symbolsMax) table.clear();
      this.bytes += this.#textBytes[symbol];
      return table.add(symbol);
    }
    const key = table * symbolRange + symbol;
    const following = this.#next.get(key);
    if (following === table) return table;
    if (following === undefined && this.#tables[table].includes(symbol)) {
      this.#next.set(key, table);
      return table;
    }
    this.bytes += this.#textBytes[symbol];
    if (following !== undefined) return following;
    const symbols = [...this.#tables[table], symbol];
    if (symbols.length > sharedSizeMax || this.#tables.length >= sharedTablesMax) return new Set(symbols);
    const next = this.#tables.push(symbols) - 1;
    this.#next.set(key, next);
    return next;
  }
}

/** A column of the current block, with the symbol numbers of the values that occurred. */
interface SymbolColumn {
  readonly name: number;
  readonly values: readonly string[];
  readonly numbers: number[];
}
