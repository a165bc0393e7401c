/** Turns merged partial states into the values of a range aggregation: step *merge* of a query. */
import type { RangeAggExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { SampleLeafResult, SeriesSamples, SeriesState } from '@loki/ports';
import type { Grid } from '../common/grid.ts';
import { labelsBytes } from '../common/memory-budget.ts';
import type { MemoryBudget } from '../common/memory-budget.ts';
import { sortLabels } from '../common/series-labels.ts';
import type { Work } from '../common/sliced-work.ts';
import { ColumnSlabs } from '../series/column-slabs.ts';
import { counterRates } from '../series/counter-rate.ts';
import { quantiles } from '../series/quantile.ts';
import { SampleWindows } from '../series/sample-windows.ts';
import { hasSample, newRow, rowBytes } from './rows.ts';
import type { SeriesRow } from './rows.ts';

/**
 * Turns the merged partial states of a leaf into the values of its range aggregation in slices of a few
 * milliseconds at most. This also holds under the leaf's additive vector aggregation: sums of counts divide
 * by the range like counts.
 *
 * @param memory is charged with the rows and with the buffers of windows
 */
export function* finalizeRows(
  expr: RangeAggExpr,
  grid: Grid,
  result: SampleLeafResult,
  memory: MemoryBudget,
): Work<readonly SeriesRow[]> {
  if (expr.op === 'absent_over_time') {
    const row = absentRow(expr, grid.steps, result.series);
    memory.charge(rowBytes(row));
    return [row];
  }
  const rows: SeriesRow[] = [];
  const slabs = new ColumnSlabs();
  const windows = new SampleWindows(expr, grid);
  for (const state of result.series) {
    const labels = sortLabels(state.labels);
    memory.charge(labelsBytes(labels) + 9 * grid.steps);
    const row: SeriesRow = { labels, values: slabs.floats(grid.steps), present: slabs.bytes(grid.steps) };
    if (state.samples) yield* fillWindows(expr, state.samples, windows, { row, memory });
    else fill(expr, state, row);
    if (hasSample(row)) rows.push(row);
    else memory.release(rowBytes(row));
    yield;
  }
  return rows;
}

/** Marks the steps with samples and writes their values; values at other steps are undefined. */
function fill(expr: RangeAggExpr, state: SeriesState, row: SeriesRow): void {
  const { columns } = state;
  const { values, present } = row;
  const counts = columns[0];
  for (let k = 0; k < values.length; k++) if (counts[k] > 0) present[k] = 1;
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
      throw new LokiError('internal', `${expr.op} is not computed from columns`);
  }
}

/** Fills a row for operations that need every value of a window: windows slide over the samples. */
function* fillWindows(
  expr: RangeAggExpr,
  samples: SeriesSamples,
  windows: SampleWindows,
  { row, memory }: { readonly row: SeriesRow; readonly memory: MemoryBudget },
): Work<void> {
  windows.moveTo(samples.times);
  for (let k = 0; k < windows.steps; k++) if (!windows.isEmpty(k)) row.present[k] = 1;
  if (expr.op === 'rate_counter') return yield* counterRates(samples, windows, row.values);
  yield* quantiles(expr.parameter ?? Number.NaN, samples.values, windows, row.values, memory);
}

function divide(column: Float64Array, divisor: number, into: Float64Array): void {
  for (let k = 0; k < into.length; k++) into[k] = column[k] / divisor;
}

/** Population variance from the columns count, mean, m2. */
function variance(columns: readonly Float64Array[], into: Float64Array): void {
  for (let k = 0; k < into.length; k++) into[k] = columns[2][k] / columns[0][k];
}

/** The row of absent_over_time: 1 where no series has a sample. Its labels follow from the selector. */
function absentRow(expr: RangeAggExpr, steps: number, series: readonly SeriesState[]): SeriesRow {
  const row = newRow(absentLabels(expr), steps);
  for (let k = 0; k < steps; k++) {
    if (series.some((state) => state.columns[0][k] > 0)) continue;
    row.present[k] = 1;
    row.values[k] = 1;
  }
  return row;
}

/** Labels that have exactly one equality matcher and no other. */
function absentLabels(expr: RangeAggExpr): readonly LabelPair[] {
  const fixed = new Map<string, string>();
  const ambiguous = new Set<string>();
  for (const { name, op, value } of expr.log.matchers) {
    if (op === '=' && !fixed.has(name)) fixed.set(name, value);
    else ambiguous.add(name);
  }
  return sortLabels([...fixed].filter(([name, value]) => !ambiguous.has(name) && value !== ''));
}
