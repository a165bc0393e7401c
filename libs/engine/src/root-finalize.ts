import type { RangeAggExpr } from '@loki/logql';
import type { LabelPair } from '@loki/model';
import type { SampleLeafResult, SeriesState } from '@loki/ports';
import { selectNth } from './select-nth.ts';
import { ColumnSlabs } from './column-slabs.ts';
import { hasSample, newRow, sortLabels } from './root-rows.ts';
import type { Grid, Row } from './root-rows.ts';

/**
 * Turns the merged partial states of a leaf into the values of its range aggregation (under the additive vector
 * aggregation that travelled with it, if any: sums of counts divide by the range as counts do).
 */
export function finalizeSeries(expr: RangeAggExpr, grid: Grid, result: SampleLeafResult): readonly Row[] {
  const work = finalizeRows(expr, grid, result);
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
  }
}

/** The same in pieces of a few milliseconds at most: whoever computes it may do something else between two of them. */
export function* finalizeRows(
  expr: RangeAggExpr,
  grid: Grid,
  result: SampleLeafResult,
): Generator<undefined, readonly Row[]> {
  if (expr.op === 'absent_over_time') return [absentRow(expr, grid.steps, result.series)];
  const rows: Row[] = [];
  const slabs = new ColumnSlabs();
  for (const state of result.series) {
    const row: Row = {
      labels: sortLabels(state.labels),
      values: slabs.floats(grid.steps),
      present: slabs.bytes(grid.steps),
    };
    const counts = state.columns[0];
    for (let k = 0; k < grid.steps; k++) if (counts[k] > 0) row.present[k] = 1;
    if (state.values) yield* fillWindows(expr, grid, state.values, row);
    else fill(expr, state, row);
    if (hasSample(row)) rows.push(row);
    yield;
  }
  return rows;
}

/** Writes the values of steps with samples; what it leaves at other steps means nothing. */
function fill(expr: RangeAggExpr, state: SeriesState, row: Row): void {
  const { columns } = state;
  const { values } = row;
  const rangeSeconds = Number(expr.rangeNs) / 1e9;
  switch (expr.op) {
    case 'count_over_time':
      return values.set(columns[0]);
    case 'rate':
      return divide(columns[expr.unwrap ? 1 : 0], rangeSeconds, values);
    case 'bytes_over_time':
    case 'sum_over_time':
    case 'min_over_time':
    case 'max_over_time':
      return values.set(columns[1]);
    case 'bytes_rate':
      return divide(columns[1], rangeSeconds, values);
    case 'avg_over_time':
      for (let k = 0; k < values.length; k++) values[k] = columns[1][k] / columns[0][k];
      return;
    case 'stdvar_over_time':
      return variance(columns, values);
    case 'stddev_over_time':
      variance(columns, values);
      for (let k = 0; k < values.length; k++) values[k] = Math.sqrt(values[k]);
      return;
    case 'first_over_time':
    case 'last_over_time':
      return values.set(columns[2]);
    case 'quantile_over_time':
    case 'rate_counter':
    case 'absent_over_time':
      throw new Error(`${expr.op} is not computed from columns`);
  }
}

/** The same for operations that need every value of a window. */
function* fillWindows(
  expr: RangeAggExpr,
  grid: Grid,
  { ends, values }: NonNullable<SeriesState['values']>,
  row: Row,
): Generator<undefined, void> {
  for (let k = 0, from = 0; k < ends.length; from = ends[k], k++) {
    if (ends[k] === from) continue;
    const window = values.subarray(from, ends[k]);
    if (expr.op === 'quantile_over_time') row.values[k] = quantile(expr.parameter ?? Number.NaN, window);
    else {
      // Timestamps in the pairs are relative to the grid's start.
      const endNs = Number(BigInt(k) * grid.stepNs - expr.offsetNs);
      row.values[k] = counterRate(window, endNs - Number(expr.rangeNs), endNs);
    }
    yield;
  }
}

function divide(column: Float64Array, divisor: number, into: Float64Array): void {
  for (let k = 0; k < into.length; k++) into[k] = column[k] / divisor;
}

/** Columns count, mean, m2 to population variance. */
function variance(columns: readonly Float64Array[], into: Float64Array): void {
  for (let k = 0; k < into.length; k++) into[k] = columns[2][k] / columns[0][k];
}

/** What `quantile` reorders: one buffer for all windows, which follow each other. */
let selection = new Float64Array(1024);

/** Linear interpolation between closest ranks, as Prometheus has it: NaN comes before all numbers. O(values). */
export function quantile(q: number, values: Float64Array): number {
  if (values.length === 0 || Number.isNaN(q)) return Number.NaN;
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  const rank = q * (values.length - 1);
  const lower = Math.floor(rank);
  const weight = rank - lower;
  if (selection.length < values.length) selection = new Float64Array(2 * values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) selection[count++] = values[i];
  const numbers = selection.subarray(0, count);
  const notNumbers = values.length - numbers.length;
  if (lower < notNumbers) return Number.NaN;
  const low = selectNth(numbers, lower - notNumbers);
  if (lower === values.length - 1) return low;
  // What is selected splits the others: the next one is the least of those behind it.
  let high = Infinity;
  for (let i = lower - notNumbers + 1; i < numbers.length; i++) if (numbers[i] < high) high = numbers[i];
  return low * (1 - weight) + high * weight;
}

/**
 * Per-second increase of a counter, as Prometheus' `rate`: resets count from zero, and the increase is extrapolated
 * to the window's borders, by at most half a sampling interval where samples are missing there.
 *
 * @param pairs timestamp (ns), value, timestamp, value … in time order
 * @param startNs, endNs the window, in the pairs' time
 */
export function counterRate(pairs: Float64Array, startNs: number, endNs: number): number {
  const count = pairs.length >> 1;
  if (count < 2) return 0;
  const [firstTs, firstValue] = pairs;
  const lastTs = pairs[2 * count - 2];
  let increase = pairs[2 * count - 1] - firstValue;
  for (let i = 1; i < count; i++) {
    if (pairs[2 * i + 1] < pairs[2 * i - 1]) increase += pairs[2 * i - 1];
  }
  const sampled = (lastTs - firstTs) / 1e9;
  if (sampled === 0) return 0;
  let toStart = (firstTs - startNs) / 1e9;
  const toEnd = (endNs - lastTs) / 1e9;
  const interval = sampled / (count - 1);
  if (increase > 0 && firstValue >= 0) {
    // A counter cannot have been below zero: it started at most that long before the first sample.
    toStart = Math.min(toStart, sampled * (firstValue / increase));
  }
  const threshold = interval * 1.1;
  const extrapolated =
    sampled + (toStart < threshold ? toStart : interval / 2) + (toEnd < threshold ? toEnd : interval / 2);
  return (increase * (extrapolated / sampled)) / ((endNs - startNs) / 1e9);
}

/** One where no series has a sample; its labels are what the selector says about the missing series. */
function absentRow(expr: RangeAggExpr, steps: number, series: readonly SeriesState[]): Row {
  const row = newRow(absentLabels(expr), steps);
  for (let k = 0; k < steps; k++) {
    if (series.some((state) => state.columns[0][k] > 0)) continue;
    row.present[k] = 1;
    row.values[k] = 1;
  }
  return row;
}

/** Labels that an equality matcher alone fixes. */
function absentLabels(expr: RangeAggExpr): readonly LabelPair[] {
  const found = new Map<string, string>();
  const ambiguous = new Set<string>();
  for (const { name, op, value } of expr.log.matchers) {
    if (op === '=' && !found.has(name)) found.set(name, value);
    else ambiguous.add(name);
  }
  return sortLabels([...found].filter(([name, value]) => !ambiguous.has(name) && value !== ''));
}
