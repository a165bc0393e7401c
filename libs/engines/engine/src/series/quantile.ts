/** The operation `quantile_over_time`, over windows that may overlap. */
import type { MemoryBudget } from '../common/memory-budget.ts';
import { selectNth } from '../common/select-nth.ts';
import type { Work } from '../common/sliced-work.ts';
import { CountTree } from './count-tree.ts';
import { RankOrder } from './rank-order.ts';
import type { SampleWindows } from './sample-windows.ts';

/** The buffer in which `quantile` reorders values, shared by all windows. */
let selection = new Float64Array(1024);

/**
 * Quantile by linear interpolation between the closest ranks, as in Prometheus: NaN comes before all numbers.
 * O(values).
 */
export function quantile(q: number, values: Float64Array): number {
  if (values.length === 0) return Number.NaN;
  if (!(q >= 0 && q <= 1)) return outside(q);
  const { lower, weight } = placeOf(q, values.length);
  if (selection.length < values.length) selection = new Float64Array(2 * values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) selection[count++] = values[i];
  const numbers = selection.subarray(0, count);
  const notNumbers = values.length - numbers.length;
  if (lower < notNumbers) return Number.NaN;
  const low = selectNth(numbers, lower - notNumbers);
  if (lower === values.length - 1) return between(low, low, weight);
  // The selected value splits the others: the next one is the smallest of those after it.
  let high = Infinity;
  for (let i = lower - notNumbers + 1; i < numbers.length; i++) if (numbers[i] < high) high = numbers[i];
  return between(low, high, weight);
}

/**
 * Interpolates. Both values count even with weight 0: an infinity as neighbour may give NaN, as in
 * Prometheus.
 */
function between(low: number, high: number, weight: number): number {
  return low * (1 - weight) + high * weight;
}

/** The result for q outside of 0..1. */
function outside(q: number): number {
  if (Number.isNaN(q)) return Number.NaN;
  return q < 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function placeOf(q: number, count: number): { readonly lower: number; readonly weight: number } {
  const rank = q * (count - 1);
  const lower = Math.floor(rank);
  return { lower, weight: rank - lower };
}

/**
 * Overlap (reads per value) above which the rank tree is cheaper: a read costs some 10 ns, and ranking,
 * adding and removing a value some 200 (windows.bench.ts).
 */
const selectionsMax = 16;
/** Least number of values that are ranked together, unless two windows have more. */
const batchValuesMin = 4096;
/** Values between two pauses. */
const sliceValues = 4096;

/**
 * The quantile of each window with values. Windows with few common values are computed one by one. For
 * windows that overlap much, values enter and leave a tree of ranks; its cost does not depend on the number
 * of windows.
 */
export function* quantiles(
  q: number,
  values: Float64Array,
  windows: SampleWindows,
  into: Float64Array,
  memory: MemoryBudget,
): Work<void> {
  const { from, to } = windows;
  const isSelected = !(q >= 0 && q <= 1) || lookedAt(windows) <= selectionsMax * values.length;
  if (!isSelected) return yield* slideQuantiles(q, values, windows, into, memory);
  for (let k = 0, readCount = 0; k < into.length; k++) {
    if (windows.isEmpty(k)) continue;
    if (windows.isAsBefore(k)) into[k] = into[k - 1];
    else {
      into[k] = quantile(q, values.subarray(from[k], to[k]));
      readCount += to[k] - from[k];
    }
    if (readCount < sliceValues) continue;
    readCount = 0;
    yield;
  }
}

/** Number of values to read, summed over windows; a window that equals its predecessor costs nothing. */
function lookedAt(windows: SampleWindows): number {
  const { from, to, steps } = windows;
  let total = 0;
  for (let k = 0; k < steps; k++) if (!windows.isAsBefore(k)) total += to[k] - from[k];
  return total;
}

/**
 * Computes windows in batches. Each batch ranks the values of its windows, at most two windows' worth or
 * `batchValuesMin`: a value is ranked twice on average, and the tree stays in the CPU's cache.
 */
function* slideQuantiles(
  q: number,
  values: Float64Array,
  windows: SampleWindows,
  into: Float64Array,
  memory: MemoryBudget,
): Work<void> {
  const { from, to } = windows;
  const ranking = new RankOrder();
  let charged = 0;
  for (let k = 0; k < into.length;) {
    const base = from[k];
    const limit = base + Math.max(2 * (to[k] - base), batchValuesMin);
    let end = k + 1;
    while (end < into.length && to[end] <= limit) end++;
    const batch = values.subarray(base, to[end - 1]);
    const bytes = RankOrder.bytesOf(batch.length) + CountTree.bytesOf(batch.length);
    memory.charge(Math.max(0, bytes - charged));
    charged = Math.max(bytes, charged);
    yield* ranking.rank(batch);
    const tree = new CountTree(batch.length);
    let [low, high, moved] = [base, base, 0];
    for (; k < end; k++) {
      if (windows.isEmpty(k)) continue;
      if (windows.isAsBefore(k)) {
        into[k] = into[k - 1];
        continue;
      }
      for (; high < to[k]; high++) {
        tree.add(ranking.ranks[high - base]);
        if (++moved % sliceValues === 0) yield;
      }
      for (; low < from[k]; low++) {
        tree.remove(ranking.ranks[low - base]);
        if (++moved % sliceValues === 0) yield;
      }
      into[k] = quantileOf(q, tree, ranking.order, batch);
    }
    yield;
  }
  memory.release(charged);
}

/** The quantile of the values whose ranks are in the tree, equal to `quantile`. */
function quantileOf(q: number, tree: CountTree, order: Uint32Array, values: Float64Array): number {
  const { lower, weight } = placeOf(q, tree.count);
  const low = values[order[tree.nth(lower)]];
  // NaN comes before numbers.
  if (Number.isNaN(low)) return low;
  return between(low, lower === tree.count - 1 ? low : values[order[tree.nth(lower + 1)]], weight);
}
