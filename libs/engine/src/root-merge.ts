import { parseExpr } from '@loki/logql';
import type { RangeOp } from '@loki/logql';
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type { SampleLeafRequest, SampleLeafResult, SeriesState } from '@loki/ports';
import { isEarlier, isLater } from './accumulators.ts';
import { MemoryBudget, seriesBytes } from './memory-budget.ts';
import { asSampleLeaf, rangeAggOf } from './root-evaluate.ts';
import { labelsKey, tooManySeries } from './root-rows.ts';

/**
 * Puts together what one sample leaf found in different places (shards, heads, segments): states of series with the
 * same labels merge. Associative; the order of results decides between equal timestamps only.
 *
 * @param request the leaf; all results cover its steps
 * @throws LokiError when there are more than request.seriesMax series
 */
export function mergeSampleResults(
  request: SampleLeafRequest,
  results: readonly SampleLeafResult[],
): SampleLeafResult {
  if (results.length === 1) return results[0];
  const stats = emptyLeafStats();
  for (const result of results) addLeafStats(stats, result.stats);
  const op = leafOperation(request);
  const merged = new Map<string, SeriesState[]>();
  for (const result of results) {
    for (const state of result.series) {
      const key = labelsKey(state.labels);
      const known = merged.get(key);
      if (known) known.push(state);
      else merged.set(key, [state]);
      if (request.seriesMax > 0 && merged.size > request.seriesMax) throw tooManySeries(request.seriesMax);
    }
  }
  const steps = stepCount(request);
  const memory = new MemoryBudget(request.memoryBytesMax);
  const series = [...merged.values()].map((states) => {
    memory.charge(mergedBytes(states));
    return mergeStates(op, states, steps);
  });
  return { kind: 'samples', steps, series, stats };
}

/**
 * Moves the result of a part of a leaf's steps to its place among all of them; merge what the parts give.
 *
 * @param whole the leaf
 * @param part the same leaf over fewer steps: its start is one of the whole's steps, its step the same
 */
export function embedSampleResult(
  whole: SampleLeafRequest,
  part: SampleLeafRequest,
  result: SampleLeafResult,
): SampleLeafResult {
  const steps = stepCount(whole);
  const offsetNs = part.startNs - whole.startNs;
  if (steps === result.steps && offsetNs === 0n) return result;
  // Windows of the only step there is stand before it.
  const first = steps === 1 ? 0 : Number(offsetNs / whole.stepNs);
  const shiftNs = Number(offsetNs);
  const op = leafOperation(whole);
  const series = result.series.map((state): SeriesState => {
    const columns = state.columns.map((column, index) => {
      const out = new Float64Array(steps);
      const isTime = index === 1 && (op === 'first_over_time' || op === 'last_over_time');
      for (let k = 0; k < column.length; k++) out[first + k] = isTime ? column[k] + shiftNs : column[k];
      return out;
    });
    if (!state.values) return { labels: state.labels, columns };
    return {
      labels: state.labels,
      columns,
      values: embedValues(op, state.values, { first, steps, shiftNs }),
    };
  });
  return { kind: 'samples', steps, series, stats: result.stats };
}

type Windows = NonNullable<SeriesState['values']>;

function embedValues(
  op: RangeOp,
  windows: Windows,
  place: { first: number; steps: number; shiftNs: number },
): Windows {
  const ends = new Uint32Array(place.steps);
  ends.set(windows.ends, place.first);
  ends.fill(windows.ends.at(-1) ?? 0, place.first + windows.ends.length);
  if (op !== 'rate_counter') return { ends, values: windows.values };
  const values = Float64Array.from(windows.values);
  for (let i = 0; i < values.length; i += 2) values[i] += place.shiftNs;
  return { ends, values };
}

/** How many steps a sample leaf has. */
export function stepCount({ startNs, endNs, stepNs }: SampleLeafRequest): number {
  return stepNs <= 0n || endNs <= startNs ? 1 : Number((endNs - startNs) / stepNs) + 1;
}

/** Leaf texts repeat, once for each shard and split; parsing them does not have to. */
let latest: { text: string; op: RangeOp } | undefined;

/** The range aggregation that a sample leaf computes. */
export function leafOperation({ expr: text }: SampleLeafRequest): RangeOp {
  if (latest?.text === text) return latest.op;
  const expr = parseExpr(text);
  const leaf = expr.kind === 'log' ? undefined : asSampleLeaf(expr);
  if (!leaf) throw new Error(`not a sample leaf: ${text}`);
  const { op } = rangeAggOf(leaf);
  latest = { text, op };
  return op;
}

/** What the merge of these states will hold; nothing new where there is but one. */
function mergedBytes(states: readonly SeriesState[]): number {
  let bytes = seriesBytes(states[0]);
  for (const { values } of states.slice(1)) bytes += values ? values.values.byteLength : 0;
  return bytes;
}

function mergeStates(op: RangeOp, states: readonly SeriesState[], steps: number): SeriesState {
  if (states.length === 1) return states[0];
  const columns = states[0].columns.map((column) => Float64Array.from(column));
  for (const state of states.slice(1)) mergeColumns(op, columns, state.columns, steps);
  if (!states[0].values) return { labels: states[0].labels, columns };
  return { labels: states[0].labels, columns, values: mergeWindows(op, states, steps) };
}

/** Merges the columns `from` into the columns `into`. */
function mergeColumns(
  op: RangeOp,
  into: readonly Float64Array[],
  from: readonly Float64Array[],
  steps: number,
): void {
  for (let k = 0; k < steps; k++) {
    const count = from[0][k];
    if (count === 0) continue;
    const before = into[0][k];
    into[0][k] = before + count;
    if (into.length === 1) continue;
    if (before === 0) {
      for (let c = 1; c < into.length; c++) into[c][k] = from[c][k];
      continue;
    }
    const [, a, b] = into;
    const [, x, y] = from;
    switch (op) {
      case 'min_over_time':
        if (x[k] < a[k] || Number.isNaN(a[k])) a[k] = x[k];
        break;
      case 'max_over_time':
        if (x[k] > a[k] || Number.isNaN(a[k])) a[k] = x[k];
        break;
      case 'first_over_time':
      case 'last_over_time': {
        const isBetter = op === 'first_over_time' ? isEarlier : isLater;
        if (!isBetter(x[k], a[k], from[3][k], into[3][k])) break;
        for (let c = 1; c < into.length; c++) into[c][k] = from[c][k];
        break;
      }
      case 'stddev_over_time':
      case 'stdvar_over_time': {
        // Two sets' means and squared distances as those of their union (Chan).
        const delta = x[k] - a[k];
        const total = before + count;
        a[k] += (delta * count) / total;
        b[k] += y[k] + (delta * delta * before * count) / total;
        break;
      }
      default:
        for (let c = 1; c < into.length; c++) into[c][k] += from[c][k];
    }
  }
}

function mergeWindows(op: RangeOp, states: readonly SeriesState[], steps: number): Windows {
  const windows = states.map((state) => state.values!);
  const values = new Float64Array(windows.reduce((sum, window) => sum + window.values.length, 0));
  const ends = new Uint32Array(steps);
  let end = 0;
  for (let k = 0; k < steps; k++) {
    const start = end;
    let sources = 0;
    for (const window of windows) {
      const from = k === 0 ? 0 : window.ends[k - 1];
      if (window.ends[k] === from) continue;
      sources++;
      values.set(window.values.subarray(from, window.ends[k]), end);
      end += window.ends[k] - from;
    }
    if (op === 'rate_counter' && sources > 1) sortPairs(values.subarray(start, end));
    ends[k] = end;
  }
  return { ends, values };
}

/** Sorts (timestamp, value) pairs by timestamp, stably, in place. */
function sortPairs(pairs: Float64Array): void {
  const copy = Float64Array.from(pairs);
  const order = Array.from({ length: copy.length >> 1 }, (_, i) => i);
  order.sort((a, b) => copy[2 * a] - copy[2 * b]);
  order.forEach((from, to) => {
    pairs[2 * to] = copy[2 * from];
    pairs[2 * to + 1] = copy[2 * from + 1];
  });
}
