import type { Block } from '@loki/segment';
import { pairBytes } from './pair-bytes.ts';

/** Distinct texts remembered; beyond it a new table begins, as it does in Loki with each chunk. */
const symbolsMax = 100_000;
/** Symbols of a table that is shared, and how many of these tables there may be. */
const sharedSizeMax = 8;
const sharedTablesMax = 1 << 16;
/** Above every number of a symbol. */
const symbolRange = 2 ** 26;

/**
 * The symbols that rows have had so far, as a value: tables with the same few symbols are one number, since
 * the rows of most streams say the same.
 */
export type SymbolTable = number | Set<number>;

/**
 * Counts structured metadata as Loki's volumes do: 8 bytes for each pair, and each distinct name or value
 * once for all rows that share a table of symbols.
 */
export class MetadataSymbols {
  /** A table without symbols. */
  readonly none: SymbolTable = 0;
  /** Bytes that the rows added last have counted for. */
  bytes = 0;
  readonly #numbers = new Map<string, number>();
  readonly #textBytes: number[] = [];
  readonly #tables: (readonly number[])[] = [[]];
  /** From a shared table and one more symbol to the next table. */
  readonly #next = new Map<number, number>();
  #block: Block | undefined;
  #columns: readonly SymbolColumn[] = [];

  /** The table with the rows firstRow .. endRow of a block; `bytes` says how much they count for. */
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
    // Neighbours mostly agree, and need no second look then.
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
    const known = this.#next.get(key);
    if (known === table) return table;
    if (known === undefined && this.#tables[table].includes(symbol)) {
      this.#next.set(key, table);
      return table;
    }
    this.bytes += this.#textBytes[symbol];
    if (known !== undefined) return known;
    const symbols = [...this.#tables[table], symbol];
    if (symbols.length > sharedSizeMax || this.#tables.length >= sharedTablesMax) return new Set(symbols);
    const next = this.#tables.push(symbols) - 1;
    this.#next.set(key, next);
    return next;
  }
}

/** A column of the block at hand, its values as symbols where they were met. */
interface SymbolColumn {
  readonly name: number;
  readonly values: readonly string[];
  readonly numbers: number[];
}
