/**
 * Rows of one block that are still in question, ascending. Reused from block to block; begins without room,
 * as many a leaf has a few rows or none.
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

  /** Adds rows from..to, all above those added before. */
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

  /** Room for as many rows as the block has; whoever asks again gets the same array. */
  scratch(): Uint32Array {
    return this.#scratch;
  }

  /** Keeps what is among `hits` (ascending), or what is not. */
  intersect(hits: Uint32Array, hitCount: number, isNegated: boolean): void {
    const rows = this.rows;
    let kept = 0;
    let hit = 0;
    for (let i = 0; i < this.count; i++) {
      const row = rows[i];
      while (hit < hitCount && hits[hit] < row) hit++;
      const isHit = hit < hitCount && hits[hit] === row;
      if (isHit !== isNegated) rows[kept++] = row;
    }
    this.count = kept;
  }

  /** Keeps the rows that pass. */
  filter(test: (row: number) => boolean): void {
    const rows = this.rows;
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      const row = rows[i];
      if (test(row)) rows[kept++] = row;
    }
    this.count = kept;
  }
}
