/** Chooses rows of a log query by time, before their lines are read. */
import { selectNth } from '../common/select-nth.ts';

/** The chosen rows of a block: the block's index among the candidates, and the rows. */
interface PickedRows {
  readonly candidate: number;
  /** Ascending. */
  readonly rows: Uint32Array;
}

/**
 * Chooses rows by time alone: without filters on lines, timestamps determine the rows of the answer, and
 * lines are read only for blocks with such rows. Rows with the same timestamp as the last one are kept too,
 * because the order of equal timestamps is unknown here.
 */
export class RowPicks {
  readonly #limit: number;
  readonly #isForward: boolean;
  #count = 0;
  #times = new Float64Array(1024);
  #candidates = new Uint32Array(1024);
  #rows = new Uint32Array(1024);
  /** Number of rows after the last pruning. */
  #settled = 0;
  bound: number | undefined;

  constructor(limit: number, isForward: boolean) {
    this.#limit = limit;
    this.#isForward = isForward;
  }

  /**
   * @param time ns relative to an origin that all rows share; rounded times may only keep superfluous rows
   */
  add(time: number, candidate: number, row: number): void {
    if (this.#count === this.#times.length) this.#makeRoom();
    const at = this.#count++;
    this.#times[at] = time;
    this.#candidates[at] = candidate;
    this.#rows[at] = row;
  }

  /** The chosen rows by candidate. */
  finish(): PickedRows[] {
    this.prune();
    const byCandidate = new Map<number, number[]>();
    for (let i = 0; i < this.#count; i++) {
      const rows = byCandidate.get(this.#candidates[i]);
      if (rows) rows.push(this.#rows[i]);
      else byCandidate.set(this.#candidates[i], [this.#rows[i]]);
    }
    return [...byCandidate].map(([candidate, rows]) => ({ candidate, rows: Uint32Array.from(rows).sort() }));
  }

  prune(): void {
    if (this.#count < this.#limit || this.#count === this.#settled) return;
    const times = this.#times.slice(0, this.#count);
    const bound = selectNth(times, this.#isForward ? this.#limit - 1 : this.#count - this.#limit);
    let keptCount = 0;
    for (let i = 0; i < this.#count; i++) {
      const time = this.#times[i];
      if (this.#isForward ? time > bound : time < bound) continue;
      this.#times[keptCount] = time;
      this.#candidates[keptCount] = this.#candidates[i];
      this.#rows[keptCount++] = this.#rows[i];
    }
    this.#count = this.#settled = keptCount;
    this.bound = bound;
  }

  #makeRoom(): void {
    if (this.#count >= 4 * this.#limit) this.prune();
    if (this.#count * 2 < this.#times.length) return;
    const times = new Float64Array(this.#times.length * 2);
    const candidates = new Uint32Array(times.length);
    const rows = new Uint32Array(times.length);
    times.set(this.#times);
    candidates.set(this.#candidates);
    rows.set(this.#rows);
    this.#times = times;
    this.#candidates = candidates;
    this.#rows = rows;
  }
}
