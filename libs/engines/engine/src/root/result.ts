/** Results of metric queries: step *respond* of a query. */
import type { MetricExpr } from '@loki/logql';
import type { Grid } from '../common/grid.ts';
import type { QueryParams, QueryResult } from '../common/query-types.ts';
import { tooManySeries } from '../common/series-labels.ts';
import { sorted } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import { rank } from './largest.ts';
import { byLabels, constantRow, hasSample, joinRows } from './rows.ts';
import type { MetricValue } from './rows.ts';

/** The answer of a range query: series sorted by labels; a number is a series without labels. */
export function* matrixResult(value: MetricValue, grid: Grid, params: QueryParams): Work<QueryResult> {
  const rows = value.kind === 'rows' ? value.rows : [constantRow(value.value, grid.steps)];
  const series = yield* joinRows(yield* sorted(rows.filter(hasSample), byLabels));
  checkSeries(series.length, params);
  return { type: 'matrix', startNs: grid.startNs, stepNs: grid.stepNs, steps: grid.steps, series };
}

/** The answer of an instant query: samples sorted by labels, or by value under a top-level sort. */
export function* vectorResult(expr: MetricExpr, value: MetricValue, params: QueryParams): Work<QueryResult> {
  const timeNs = params.startNs;
  if (value.kind === 'scalar') return { type: 'scalar', timeNs, value: value.value };
  const rows = yield* sorted(value.rows.filter(hasSample), byLabels);
  let samples = rows.map((row) => ({ labels: row.labels, value: row.values[0] }));
  checkSeries(samples.length, params);
  if (expr.kind === 'vectorAgg' && (expr.op === 'sort' || expr.op === 'sort_desc')) {
    const sign = expr.op === 'sort' ? 1 : -1;
    samples = yield* sorted(samples, (a, b) => rank(a.value, b.value, sign));
  }
  return { type: 'vector', timeNs, samples };
}

function checkSeries(count: number, { seriesMax }: QueryParams): void {
  if (seriesMax > 0 && count > seriesMax) throw tooManySeries(seriesMax);
}
