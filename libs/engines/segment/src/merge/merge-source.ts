/** An input block of a merge. */
import type { DecodedColumn } from '../columns/dictionary.ts';
import type { RowMetadata } from '../format/types.ts';
import type { StoredBlock } from '../read/block.ts';

/**
 * A block whose rows are merged; nothing else uses it. Its columns are decoded at first use, and their memory
 * is freed after its last row.
 */
export class MergeSource {
  readonly #open: () => StoredBlock;
  #block: StoredBlock | undefined;
  #rowsLeft: number;
  /** For each metadata column: its dictionary in the target block and its codes there; see remapFor. */
  #remaps: { target: number; key: number; codes: Uint32Array }[] = [];

  constructor(rowCount: number, open: () => StoredBlock) {
    this.#rowsLeft = rowCount;
    this.#open = open;
  }

  get block(): StoredBlock {
    this.#block ??= this.#open();
    return this.#block;
  }

  get metadata(): RowMetadata | undefined {
    return this.block.info.metadataNames.length === 0 ? undefined : this.block.rowMetadata();
  }

  /** Counts rows that were copied or dropped; after the last one the columns are released. */
  release(rows: number): void {
    this.#rowsLeft -= rows;
    if (this.#rowsLeft > 0) return;
    this.#block?.free();
    this.#block = undefined;
    this.#remaps = [];
  }

  /**
   * Maps the codes of metadata column `column` to those of target block number `target`; 0: not assigned yet.
   *
   * @param keyOf finds the target's dictionary by key name, once per target
   */
  remapFor(
    column: number,
    target: number,
    keyOf: (name: string) => number,
  ): { key: number; codes: Uint32Array } {
    let remap = this.#remaps[column];
    if (remap?.target === target) return remap;
    const source = this.block.metadata()[column] as DecodedColumn;
    const key = keyOf(source.name);
    if (remap) {
      remap.codes.fill(0);
      remap.target = target;
      remap.key = key;
    } else {
      remap = { target, key, codes: new Uint32Array(source.valueCount + 1) };
      this.#remaps[column] = remap;
    }
    return remap;
  }
}

/** Whether two rows have the same line and the same metadata. */
export function isEqualRow(a: MergeSource, aRow: number, b: MergeSource, bRow: number): boolean {
  const [aLines, bLines] = [a.block.lines(), b.block.lines()];
  const [aEnds, bEnds] = [a.block.lineEnds(), b.block.lineEnds()];
  const aStart = aRow === 0 ? 0 : aEnds[aRow - 1];
  const bStart = bRow === 0 ? 0 : bEnds[bRow - 1];
  if (aEnds[aRow] - aStart !== bEnds[bRow] - bStart) return false;
  if (aLines.compare(bLines, bStart, bEnds[bRow], aStart, aEnds[aRow]) !== 0) return false;
  return metadataKey(a, aRow) === metadataKey(b, bRow);
}

/** Line and metadata as one text, equal exactly for equal rows. */
export function rowKey(source: MergeSource, row: number): string {
  const ends = source.block.lineEnds();
  const line = source.block.lines().toString('latin1', row === 0 ? 0 : ends[row - 1], ends[row]);
  return `${metadataKey(source, row)}\n${line}`;
}

function metadataKey(source: MergeSource, row: number): string {
  const metadata = source.metadata;
  if (!metadata) return '';
  const { starts, columns, column, code } = metadata;
  let key = '';
  for (let cell = starts[row]; cell < starts[row + 1]; cell++) {
    const { name, values } = columns[column[cell]];
    const value = values[code[cell] - 1];
    // Lengths make the text of each list of pairs unique.
    key += `${name.length}:${name}${value.length}:${value}`;
  }
  return key;
}
