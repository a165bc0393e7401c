/** Vector aggregations at the root of a query: step *merge, respond*. */
import type { VectorAggExpr } from '@loki/logql';
import type { MemoryBudget } from '../common/memory-budget.ts';
import type { Work } from '../common/sliced-work.ts';
import { groupRows } from './groups.ts';
import { largestRows } from './largest.ts';
import { RowMaker } from './rows.ts';
import type { SeriesRow } from './rows.ts';

/**
 * Aggregates rows to groups, step by step. `sort` has no effect here: only results of one step are sorted.
 * Intermediate memory is charged to `memory` and released at the end.
 */
export function* aggregateRows(
  expr: VectorAggExpr,
  rows: readonly SeriesRow[],
  steps: number,
  memory: MemoryBudget,
): Work<readonly SeriesRow[]> {
  switch (expr.op) {
    case 'sort':
    case 'sort_desc':
      return rows;
    case 'approx_topk':
    case 'topk':
    case 'bottomk':
      return yield* largestRows(expr, rows, steps, memory);
    default:
      return yield* reduce(expr, rows, steps, memory);
  }
}

type ReducingOp = 'sum' | 'min' | 'max' | 'count' | 'avg' | 'stddev' | 'stdvar';

/** A group to which rows are added: `count[k]` rows so far. */
interface Group extends SeriesRow {
  readonly count: Float64Array;
  /** Sums of squared distances from the mean so far (Welford), for the two operations that need them. */
  readonly squares: Float64Array;
}

/** Adds one sample of step k; the count is increased afterwards. */
type Take = (group: Group, k: number, value: number) => void;

/** Bytes of value, presence, count and distance of a group at a step. */
const groupCellBytes = 25;
/** Cells between two pauses. */
const cellsPerSlice = 1 << 14;

function* reduce(
  expr: VectorAggExpr,
  rows: readonly SeriesRow[],
  steps: number,
  memory: MemoryBudget,
): Work<readonly SeriesRow[]> {
  const { index, labels } = yield* groupRows(expr, rows);
  const bytes = labels.length * steps * groupCellBytes;
  memory.charge(bytes);
  const op = expr.op as ReducingOp;
  const isSpread = op === 'stddev' || op === 'stdvar';
  const make = new RowMaker(steps);
  const unused = new Float64Array(0);
  const groups: Group[] = labels.map((each) => ({
    ...make.row(each),
    count: make.floats(),
    squares: isSpread ? make.floats() : unused,
  }));
  const take = takes[op];
  for (let i = 0, cells = 0; i < rows.length; i++) {
    addRow(groups[index[i]], rows[i], take);
    cells += steps;
    if (cells < cellsPerSlice) continue;
    cells = 0;
    yield;
  }
  if (isSpread) for (const group of groups) finishSpread(op, group);
  memory.release(bytes);
  return groups.map(({ labels: of, values, present }) => ({ labels: of, values, present }));
}

function addRow(group: Group, { values, present }: SeriesRow, take: Take): void {
  const { count } = group;
  for (let k = 0; k < present.length; k++) {
    if (present[k] === 0) continue;
    take(group, k, values[k]);
    group.present[k] = 1;
    count[k]++;
  }
}

const spread: Take = ({ values, count, squares }, k, value) => {
  // A single value has no deviation, even if it is infinite.
  if (count[k] === 0) {
    values[k] = value;
    return;
  }
  const delta = value - values[k];
  values[k] += delta / (count[k] + 1);
  squares[k] += delta * (value - values[k]);
};

const takes: Readonly<Record<ReducingOp, Take>> = {
  sum: ({ values }, k, value) => {
    values[k] += value;
  },
  min: ({ values, count }, k, value) => {
    if (count[k] === 0 || value < values[k] || Number.isNaN(values[k])) values[k] = value;
  },
  max: ({ values, count }, k, value) => {
    if (count[k] === 0 || value > values[k] || Number.isNaN(values[k])) values[k] = value;
  },
  count: ({ values }, k) => {
    values[k]++;
  },
  avg: ({ values, count }, k, value) => {
    // A running mean instead of a sum: it neither overflows nor loses small values beside large ones.
    values[k] = count[k] === 0 ? value : mean(values[k], value, count[k] + 1);
  },
  stddev: spread,
  stdvar: spread,
};

function mean(oldMean: number, value: number, count: number): number {
  // Infinities of one sign stay infinite; the general formula would give NaN.
  if (!Number.isFinite(oldMean) && (oldMean === value || Number.isFinite(value))) return oldMean;
  return oldMean + (value - oldMean) / count;
}

function finishSpread(op: ReducingOp, { values, count, squares }: Group): void {
  for (let k = 0; k < values.length; k++) {
    const variance = squares[k] / count[k];
    values[k] = op === 'stddev' ? Math.sqrt(variance) : variance;
  }
}
