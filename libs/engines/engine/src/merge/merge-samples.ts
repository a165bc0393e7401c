/** Merges partial states of series: step *merge* of a query. */
import { parseLeafText } from '@loki/logql';
import type { RangeAggExpr, RangeOp } from '@loki/logql';
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type {
  LeafRequest,
  SampleLeafRequest,
  SampleLeafResult,
  SeriesSamples,
  SeriesState,
} from '@loki/ports';
import { asSampleLeaf, rangeAggOf } from '../common/leaf-expr.ts';
import { MemoryBudget, samplesBytes, seriesBytes } from '../common/memory-budget.ts';
import type { MemoryPool } from '../common/memory-budget.ts';
import { labelsKey, tooManySeries } from '../common/series-labels.ts';
import { itemsPerSlice } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import { sortByTime } from '../common/time-order.ts';
import { isEarlier, isLater } from '../series/accumulators.ts';

/**
 * Merges results of one sample leaf from shards, heads and segments: states of series with the same labels
 * merge. Associative; the order of results matters only for equal timestamps.
 *
 * @param request the leaf; all results cover its steps
 * @param pool the thread's pool, in which the merge counts its memory
 * @throws LokiError when there are more than request.seriesMax series
 */
export function* mergeSampleResults(
  request: SampleLeafRequest,
  results: readonly SampleLeafResult[],
  pool?: MemoryPool,
): Work<SampleLeafResult> {
  if (results.length === 1) return results[0];
  const memory = pool?.open();
  try {
    return yield* mergeStatesOf(request, results, memory);
  } finally {
    memory?.close();
  }
}

/** Bytes of a map entry with its list. */
const entryBytes = 120;

function* mergeStatesOf(
  request: SampleLeafRequest,
  results: readonly SampleLeafResult[],
  mergeMemory: MemoryBudget | undefined,
): Work<SampleLeafResult> {
  const stats = emptyLeafStats();
  for (const result of results) addLeafStats(stats, result.stats);
  const op = leafOperation(request);
  const merged = new Map<string, SeriesState[]>();
  let iterations = 0;
  for (const result of results) {
    for (const state of result.series) {
      if (++iterations % itemsPerSlice === 0) yield;
      const key = labelsKey(state.labels);
      const equalStates = merged.get(key);
      if (equalStates) equalStates.push(state);
      else {
        mergeMemory?.charge(2 * key.length + entryBytes);
        merged.set(key, [state]);
      }
      if (request.seriesMax > 0 && merged.size > request.seriesMax) throw tooManySeries(request.seriesMax);
    }
  }
  const steps = stepCount(request);
  const memory = new MemoryBudget(request.memoryBytesMax);
  const series: SeriesState[] = [];
  for (const states of merged.values()) {
    const bytes = mergedBytes(states);
    memory.charge(bytes);
    if (states.length > 1) mergeMemory?.charge(bytes);
    series.push(mergeStates(op, states, steps));
    if ((series.length * steps) % itemsPerSlice < steps) yield;
  }
  return { kind: 'samples', steps, series, stats };
}

/**
 * Moves the result of a part of a leaf's steps to its place among all steps; the results of all parts can
 * then be merged.
 *
 * @param leaf the whole leaf
 * @param part the same leaf over fewer steps: its start is one of the whole's steps, its step the same.
 *   Samples must not be in windows of another part: `joinSampleParts` is for windows that overlap.
 */
export function* embedSampleResult(
  leaf: SampleLeafRequest,
  part: SampleLeafRequest,
  result: SampleLeafResult,
): Work<SampleLeafResult> {
  const steps = stepCount(leaf);
  const offsetNs = part.startNs - leaf.startNs;
  if (steps === result.steps && offsetNs === 0n) return result;
  // With a single step all windows end at it.
  const first = steps === 1 ? 0 : Number(offsetNs / leaf.stepNs);
  const shiftNs = Number(offsetNs);
  const op = leafOperation(leaf);
  const series: SeriesState[] = [];
  for (const { labels, columns, samples } of result.series) {
    if ((series.length * steps) % itemsPerSlice < steps) yield;
    const outColumns = columns.map((column, index) => {
      const out = new Float64Array(steps);
      const isTime = index === 1 && (op === 'first_over_time' || op === 'last_over_time');
      for (let k = 0; k < column.length; k++) out[first + k] = isTime ? column[k] + shiftNs : column[k];
      return out;
    });
    if (!samples) series.push({ labels, columns: outColumns });
    else {
      const times = samples.times.map((time) => time + shiftNs);
      series.push({ labels, columns: outColumns, samples: { times, values: samples.values } });
    }
  }
  return { kind: 'samples', steps, series, stats: result.stats };
}

/** Number of steps from startNs to endNs, both inclusive; at least 1, as for an instant query. */
export function stepCount({ startNs, endNs, stepNs }: SampleLeafRequest): number {
  return stepNs <= 0n || endNs <= startNs ? 1 : Number((endNs - startNs) / stepNs) + 1;
}

/**
 * Whether the result of a leaf over several sources is the same to the last bit in whatever order and groups
 * they are merged: states are whole numbers. Sums of other numbers are rounded, and of values with equal
 * times the order of arrival decides.
 */
export function mergesInAnyOrder(request: LeafRequest): boolean {
  return request.kind === 'samples' && leafRange(request).unwrap === undefined;
}

/** The last parsed leaf: texts repeat for each shard and split. */
let latest: { readonly text: string; readonly range: RangeAggExpr } | undefined;

/** The operation of a sample leaf on the samples in a window. */
export function leafOperation(request: SampleLeafRequest): RangeOp {
  return leafRange(request).op;
}

/** The range aggregation that a sample leaf computes. */
export function leafRange({ expr: text }: SampleLeafRequest): RangeAggExpr {
  if (latest?.text === text) return latest.range;
  const expr = parseLeafText(text);
  const leaf = expr.kind === 'log' ? undefined : asSampleLeaf(expr);
  if (!leaf) throw new Error(`not a sample leaf: ${text}`);
  const range = rangeAggOf(leaf);
  latest = { text, range };
  return range;
}

/** Bytes of the merge of these states; 0 for a single state, which is not copied. */
function mergedBytes(states: readonly SeriesState[]): number {
  let bytes = seriesBytes(states[0]);
  for (const { samples } of states.slice(1)) bytes += samples ? samplesBytes(samples.times.length) : 0;
  return bytes;
}

function mergeStates(op: RangeOp, states: readonly SeriesState[], steps: number): SeriesState {
  if (states.length === 1) return states[0];
  const { labels, columns: shape, samples } = states[0];
  if (samples) return { labels, columns: shape, samples: mergeSamples(states) };
  const columns = shape.map((column) => Float64Array.from(column));
  for (const state of states.slice(1)) mergeColumns(op, columns, state.columns, steps);
  return { labels, columns };
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
    const intoCount = into[0][k];
    into[0][k] = intoCount + count;
    if (into.length === 1) continue;
    if (intoCount === 0) {
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
        // Mean and squared distances of the union of two sets (Chan).
        const delta = x[k] - a[k];
        const total = intoCount + count;
        a[k] += (delta * count) / total;
        b[k] += y[k] + (delta * delta * intoCount * count) / total;
        break;
      }
      default:
        for (let c = 1; c < into.length; c++) into[c][k] += from[c][k];
    }
  }
}

/** All samples in order of time; of equal times those of earlier states come first. */
function mergeSamples(states: readonly SeriesState[]): SeriesSamples {
  const parts = states.flatMap(({ samples }) => samples ?? []);
  const count = parts.reduce((sum, { times }) => sum + times.length, 0);
  const times = new Float64Array(count);
  const values = new Float64Array(count);
  let at = 0;
  for (const part of parts) {
    times.set(part.times, at);
    values.set(part.values, at);
    at += part.times.length;
  }
  sortByTime(times, values);
  return { times, values };
}
