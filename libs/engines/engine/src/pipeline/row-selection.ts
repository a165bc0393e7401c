/**
 * The selected rows of one block, ascending. It is reused from block to block. It starts without memory,
 * because many leaves have few rows or none.
 */
export class RowSelection {
  rows = new Uint32Array(0);
  count = 0;
  #scratch = new Uint32Array(0);

  clear(rowCount: number): void {
    this.count = 0;
    if (this.rows.length < rowCount) {
      this.rows = new Uint32Array(rowCount);
      this.#scratch = new Uint32Array(rowCount);
    }
  }

  /** Adds rows [from, to), which must be above the rows so far. */
  addRange(from: number, to: number): void {
    const rows = this.rows;
    let count = this.count;
    for (let row = from; row < to; row++) rows[count++] = row;
    this.count = count;
  }

  add(row: number): void {
    this.rows[this.count++] = row;
  }

  get first(): number {
    return this.rows[0];
  }

  get last(): number {
    return this.rows[this.count - 1];
  }

  /** Bytes of the selected lines. */
  lineBytes(ends: Uint32Array): number {
    let bytes = 0;
    for (let i = 0; i < this.count; i++) {
      const row = this.rows[i];
      bytes += ends[row] - (row === 0 ? 0 : ends[row - 1]);
    }
    return bytes;
  }

  /** A scratch array with room for all rows of the block; always the same array. */
  scratch(): Uint32Array {
    return this.#scratch;
  }

  /** Reduces the selection to rows that are in `hits` (ascending) or, negated, to the others. */
  intersect(hits: Uint32Array, hitCount: number, isNegated: boolean): void {
    const rows = this.rows;
    let keptCount = 0;
    let hit = 0;
    for (let i = 0; i < this.count; i++) {
      const row = rows[i];
      while (hit < hitCount && hits[hit] < row) hit++;
      const isHit = hit < hitCount && hits[hit] === row;
      if (isHit !== isNegated) rows[keptCount++] = row;
    }
    this.count = keptCount;
  }

  /** Reduces the selection to the rows that pass. */
  filter(test: (row: number) => boolean): void {
    const rows = this.rows;
    let keptCount = 0;
    for (let i = 0; i < this.count; i++) {
      const row = rows[i];
      if (test(row)) rows[keptCount++] = row;
    }
    this.count = keptCount;
  }
}
