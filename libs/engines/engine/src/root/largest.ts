/** The operations `topk`, `bottomk` and `approx_topk`. */
import type { VectorAggExpr } from '@loki/logql';
import type { MemoryBudget } from '../common/memory-budget.ts';
import type { Work } from '../common/sliced-work.ts';
import { groupRows } from './groups.ts';
import type { SeriesRow } from './rows.ts';

/** Most heap places that are filled at the same time: few enough for the CPU's caches. */
const placesMax = 1 << 16;
/** Bytes of a row number and a value. */
const placeBytes = 12;

/**
 * The k largest (smallest) rows of each group, with their own labels; NaN ranks last, equal values rank in
 * the order of rows.
 *
 * It uses a bounded heap for each step, for as many steps at a time as fit: rows are read along their
 * columns, and most candidates cost one comparison.
 */
export function* largestRows(
  expr: VectorAggExpr,
  rows: readonly SeriesRow[],
  steps: number,
  memory: MemoryBudget,
): Work<readonly SeriesRow[]> {
  const { index, labels } = yield* groupRows(expr, rows);
  const members: number[][] = labels.map(() => []);
  for (let i = 0; i < rows.length; i++) members[index[i]].push(i);
  const sign = expr.op === 'bottomk' ? 1 : -1;
  const k = expr.parameter!;
  /** Per row: the steps at which it is among the best; undefined: none. */
  const bestSteps: (Uint8Array | undefined)[] = [];
  const choose = (row: number, step: number) => {
    let present = bestSteps[row];
    if (!present) {
      memory.charge(steps);
      bestSteps[row] = present = new Uint8Array(steps);
    }
    present[step] = 1;
  };
  for (const group of members) {
    if (group.length <= k) {
      for (const i of group) bestSteps[i] = rows[i].present;
      continue;
    }
    const stepsAtOnce = Math.min(steps, Math.max(1, Math.floor(placesMax / k)));
    memory.charge(stepsAtOnce * k * placeBytes);
    const best = new Best(stepsAtOnce, k, sign);
    for (let from = 0; from < steps; from += stepsAtOnce) {
      const to = Math.min(from + stepsAtOnce, steps);
      best.clear();
      yield* offerAll(best, rows, group, from, to);
      for (let step = from; step < to; step++) best.forEach(step - from, (row) => choose(row, step));
      yield;
    }
    memory.release(stepsAtOnce * k * placeBytes);
  }
  const out: SeriesRow[] = [];
  for (let i = 0; i < rows.length; i++) {
    const present = bestSteps[i];
    if (present) out.push({ labels: rows[i].labels, values: rows[i].values, present });
    if (present && present !== rows[i].present) memory.release(steps);
  }
  return out;
}

/** Cells between two pauses. */
const cellsPerSlice = 1 << 12;

function* offerAll(
  best: Best,
  rows: readonly SeriesRow[],
  group: readonly number[],
  from: number,
  to: number,
): Work<void> {
  let cells = 0;
  for (const i of group) {
    const { present, values } = rows[i];
    for (let step = from; step < to; step++) {
      if (present[step] === 1) best.offer(step - from, i, values[step]);
    }
    cells += to - from;
    if (cells < cellsPerSlice) continue;
    cells = 0;
    yield;
  }
}

/** The best rows of several steps: a heap for each step, with the worst of them on top. */
class Best {
  readonly #size: number;
  readonly #sign: 1 | -1;
  readonly #counts: Int32Array;
  /** The rows of step s start at s × size. */
  readonly #rows: Int32Array;
  readonly #values: Float64Array;

  constructor(steps: number, size: number, sign: 1 | -1) {
    this.#size = size;
    this.#sign = sign;
    this.#counts = new Int32Array(steps);
    this.#rows = new Int32Array(steps * size);
    this.#values = new Float64Array(steps * size);
  }

  clear(): void {
    this.#counts.fill(0);
  }

  /** Offers a value. Rows must be offered in ascending order: of equal values the earlier row stays. */
  offer(step: number, row: number, value: number): void {
    const top = step * this.#size;
    const count = this.#counts[step];
    if (count < this.#size) {
      this.#put(top + count, row, value);
      this.#counts[step]++;
      this.#rise(top, count);
    } else if (rank(value, this.#values[top], this.#sign) < 0) {
      this.#put(top, row, value);
      this.#sink(top, count);
    }
  }

  forEach(step: number, visit: (row: number) => void): void {
    const top = step * this.#size;
    for (let place = 0; place < this.#counts[step]; place++) visit(this.#rows[top + place]);
  }

  #put(place: number, row: number, value: number): void {
    this.#rows[place] = row;
    this.#values[place] = value;
  }

  /** Whether place a has a worse value than place b. */
  #isWorse(a: number, b: number): boolean {
    const order = rank(this.#values[a], this.#values[b], this.#sign);
    return order === 0 ? this.#rows[a] > this.#rows[b] : order > 0;
  }

  #swap(a: number, b: number): void {
    const row = this.#rows[a];
    const value = this.#values[a];
    this.#put(a, this.#rows[b], this.#values[b]);
    this.#put(b, row, value);
  }

  #rise(top: number, from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#isWorse(top + at, top + parent)) return;
      this.#swap(top + at, top + parent);
      at = parent;
    }
  }

  #sink(top: number, count: number): void {
    for (let at = 0; ;) {
      let worst = at;
      const left = 2 * at + 1;
      if (left < count && this.#isWorse(top + left, top + worst)) worst = left;
      if (left + 1 < count && this.#isWorse(top + left + 1, top + worst)) worst = left + 1;
      if (worst === at) return;
      this.#swap(top + at, top + worst);
      at = worst;
    }
  }
}

/** Order of values: ascending (sign 1) or descending (sign -1), NaN last. */
export function rank(a: number, b: number, sign: 1 | -1): number {
  if (a < b) return -sign;
  if (a > b) return sign;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}
