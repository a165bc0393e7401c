import type { MemoryBudget } from '../common/memory-budget.ts';
import { selectNth } from '../common/select-nth.ts';
import type { Work } from '../common/sliced-work.ts';
import { CountTree } from './count-tree.ts';
import { RankOrder } from './rank-order.ts';
import type { SampleWindows } from './sample-windows.ts';

/** The values that `quantile` reorders: one buffer for all windows, which follow each other. */
let selection = new Float64Array(1024);

/**
 * Linear interpolation between closest ranks, as Prometheus has it: NaN comes before all numbers. O(values).
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
  // The selected value splits the others: the next one is the least of those behind it.
  let high = Infinity;
  for (let i = lower - notNumbers + 1; i < numbers.length; i++) if (numbers[i] < high) high = numbers[i];
  return between(low, high, weight);
}

/** Both count however little they weigh: an infinity next to a place makes it NaN, as in Prometheus. */
function between(low: number, high: number, weight: number): number {
  return low * (1 - weight) + high * weight;
}

/** Of no place among the values. */
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
/** Values ranked at once at least, and twice as many as a window has. */
const batchValuesMin = 4096;
/** Values moved between two places where others may have the thread. */
const sliceValues = 4096;

/**
 * The quantile of each window that holds a value. Windows that share few values are computed one by one;
 * where they overlap much, values enter and leave a tree of ranks, which costs the same however many windows
 * they are in.
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
  for (let k = 0, looked = 0; k < into.length; k++) {
    if (windows.isEmpty(k)) continue;
    if (windows.isAsBefore(k)) into[k] = into[k - 1];
    else {
      into[k] = quantile(q, values.subarray(from[k], to[k]));
      looked += to[k] - from[k];
    }
    if (looked < sliceValues) continue;
    looked = 0;
    yield;
  }
}

/** Values in windows, those in several as often; a window that is the one before costs nothing. */
function lookedAt(windows: SampleWindows): number {
  const { from, to, steps } = windows;
  let total = 0;
  for (let k = 0; k < steps; k++) if (!windows.isAsBefore(k)) total += to[k] - from[k];
  return total;
}

/**
 * Windows in batches that share their values' ranks: each batch ranks what its windows hold, at most two
 * windows' worth or `batchValuesMin`, so that a value is ranked twice on average, and the tree stays in the
 * cache.
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

/** The same as `quantile` of the values whose ranks the tree holds. */
function quantileOf(q: number, tree: CountTree, order: Uint32Array, values: Float64Array): number {
  const { lower, weight } = placeOf(q, tree.count);
  const low = values[order[tree.nth(lower)]];
  // Among numbers, NaN comes first.
  if (Number.isNaN(low)) return low;
  return between(low, lower === tree.count - 1 ? low : values[order[tree.nth(lower + 1)]], weight);
}
