import type { VectorAggExpr } from '@loki/logql';
import type { MemoryBudget } from './memory-budget.ts';
import { groupLabels, hasSample, labelsKey, newRow } from './root-rows.ts';
import type { Row } from './root-rows.ts';

/**
 * Aggregates rows to groups, step by step. Sorting is left to the result: it shows at one step only. What it takes on
 * the way is charged to `memory`, and released at the end.
 */
export function aggregateRows(
  expr: VectorAggExpr,
  rows: readonly Row[],
  steps: number,
  memory: MemoryBudget,
): readonly Row[] {
  switch (expr.op) {
    case 'sort':
    case 'sort_desc':
      return rows;
    case 'approx_topk':
    case 'topk':
    case 'bottomk':
      return largest(expr, rows, steps);
    default:
      return reduce(expr, rows, steps, memory);
  }
}

interface Groups {
  /** Per input row. */
  readonly index: Uint32Array;
  /** Labels of each group. */
  readonly labels: Row['labels'][];
}

function groupRows(expr: VectorAggExpr, rows: readonly Row[]): Groups {
  const { without = false, labels = [] } = expr.grouping ?? {};
  const names = new Set(labels);
  const index = new Uint32Array(rows.length);
  const groups: Row['labels'][] = [];
  const byKey = new Map<string, number>();
  rows.forEach((row, i) => {
    const kept = groupLabels(row.labels, names, without);
    const key = labelsKey(kept);
    let group = byKey.get(key);
    if (group === undefined) {
      group = groups.push(kept) - 1;
      byKey.set(key, group);
    }
    index[i] = group;
  });
  return { index, labels: groups };
}

/** Value, presence, count and distance of a group at a step. */
const groupCellBytes = 25;

function reduce(
  expr: VectorAggExpr,
  rows: readonly Row[],
  steps: number,
  memory: MemoryBudget,
): readonly Row[] {
  const { index, labels } = groupRows(expr, rows);
  const bytes = labels.length * steps * groupCellBytes;
  memory.charge(bytes);
  const out = labels.map((group) => newRow(group, steps));
  const counts = labels.map(() => new Float64Array(steps));
  // Sum of squared distances from the mean so far (Welford), for the two that need it.
  const isSpread = expr.op === 'stddev' || expr.op === 'stdvar';
  const squares = labels.map(() => new Float64Array(isSpread ? steps : 0));
  rows.forEach((row, i) => {
    const group = index[i];
    const { values, present } = out[group];
    const count = counts[group];
    for (let k = 0; k < steps; k++) {
      if (row.present[k] === 0) continue;
      const value = row.values[k];
      const before = count[k]++;
      present[k] = 1;
      switch (expr.op) {
        case 'sum':
          values[k] += value;
          break;
        case 'min':
          if (before === 0 || value < values[k] || Number.isNaN(values[k])) values[k] = value;
          break;
        case 'max':
          if (before === 0 || value > values[k] || Number.isNaN(values[k])) values[k] = value;
          break;
        case 'count':
          values[k] = before + 1;
          break;
        case 'avg':
          // A running mean, not a sum: it neither overflows nor loses small values beside large ones.
          values[k] = before === 0 ? value : mean(values[k], value, before + 1);
          break;
        default: {
          // One alone has no spread, were it infinite.
          if (before === 0) {
            values[k] = value;
            break;
          }
          const delta = value - values[k];
          values[k] += delta / (before + 1);
          squares[group][k] += delta * (value - values[k]);
        }
      }
    }
  });
  if (isSpread) {
    out.forEach(({ values }, group) => {
      for (let k = 0; k < steps; k++) {
        const variance = squares[group][k] / counts[group][k];
        values[k] = expr.op === 'stddev' ? Math.sqrt(variance) : variance;
      }
    });
  }
  memory.release(bytes);
  return out;
}

function mean(before: number, value: number, count: number): number {
  // Infinities of one sign stay; the general formula would make NaN of them.
  if (!Number.isFinite(before) && (before === value || Number.isFinite(value))) return before;
  return before + (value - before) / count;
}

/** The k largest (smallest) rows of each group, with their own labels; NaN ranks last, equals in the rows' order. */
function largest(expr: VectorAggExpr, rows: readonly Row[], steps: number): readonly Row[] {
  const { index, labels } = groupRows(expr, rows);
  const members: number[][] = labels.map(() => []);
  rows.forEach((_, i) => members[index[i]].push(i));
  const sign = expr.op === 'bottomk' ? 1 : -1;
  const out = rows.map((row) => ({ labels: row.labels, values: row.values, present: new Uint8Array(steps) }));
  for (const group of members) {
    const best = new Best(Math.min(expr.parameter!, group.length), sign);
    for (let k = 0; k < steps; k++) {
      best.clear();
      for (const i of group) if (rows[i].present[k] === 1) best.offer(i, rows[i].values[k]);
      for (let place = 0; place < best.count; place++) out[best.rows[place]].present[k] = 1;
    }
  }
  return out.filter(hasSample);
}

/** The best few of many: a heap with the worst of them on top, so that most candidates cost one comparison. */
class Best {
  readonly rows: Int32Array;
  count = 0;
  readonly #values: Float64Array;
  readonly #sign: 1 | -1;

  constructor(size: number, sign: 1 | -1) {
    this.rows = new Int32Array(size);
    this.#values = new Float64Array(size);
    this.#sign = sign;
  }

  clear(): void {
    this.count = 0;
  }

  /** Rows must come in ascending order: of equals, the earlier stays. */
  offer(row: number, value: number): void {
    if (this.count < this.rows.length) {
      this.#put(this.count, row, value);
      this.#rise(this.count++);
    } else if (rank(value, this.#values[0], this.#sign) < 0) {
      this.#put(0, row, value);
      this.#sink();
    }
  }

  #put(place: number, row: number, value: number): void {
    this.rows[place] = row;
    this.#values[place] = value;
  }

  /** Does place a hold something worse than place b? */
  #isWorse(a: number, b: number): boolean {
    const order = rank(this.#values[a], this.#values[b], this.#sign);
    return order === 0 ? this.rows[a] > this.rows[b] : order > 0;
  }

  #swap(a: number, b: number): void {
    const [row, value] = [this.rows[a], this.#values[a]];
    this.#put(a, this.rows[b], this.#values[b]);
    this.#put(b, row, value);
  }

  #rise(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#isWorse(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(): void {
    for (let at = 0; ;) {
      let worst = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.count && this.#isWorse(child, worst)) worst = child;
      }
      if (worst === at) return;
      this.#swap(at, worst);
      at = worst;
    }
  }
}

/** Order of values: ascending (sign 1) or descending (sign -1), NaN behind all others. */
export function rank(a: number, b: number, sign: 1 | -1): number {
  if (a < b) return -sign;
  if (a > b) return sign;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}
