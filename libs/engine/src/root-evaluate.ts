import { printExpr } from '@loki/logql';
import type { Expr, LogExpr, MetricExpr, RangeAggExpr, VectorAggExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type { LeafStats, SampleLeafRequest, SampleLeafResult } from '@loki/ports';
import { combineValues } from './root-binary.ts';
import { finalizeSeries } from './root-finalize.ts';
import { readSpaced } from './root-interval.ts';
import { replaceLabels } from './root-label-replace.ts';
import { matrixResult, vectorResult } from './root-result.ts';
import { cellsMax, constantRow, rowsOf } from './root-rows.ts';
import type { Grid, Value } from './root-rows.ts';
import type { QueryOutcome, QueryParams, RunLeaf } from './root-types.ts';
import { aggregateRows } from './root-vector-agg.ts';

/** Series that a leaf below further operations may return: they are not the answer, so the tenant's limit does not count them. */
const innerSeriesMax = 100_000;

/**
 * Computes a query: its leaves through `runLeaf`, all else here.
 *
 * @param expr as `parseExpr` gives it
 * @throws LokiError: Loki's texts for impossible matches and too many series; whatever `runLeaf` throws
 *
 * O(series × steps) for each operation, in typed arrays.
 */
export async function evaluate(expr: Expr, params: QueryParams, runLeaf: RunLeaf): Promise<QueryOutcome> {
  const run = new Run(params, runLeaf);
  if (expr.kind === 'log') {
    const rows = await readLog(expr, params, run);
    return { result: { type: 'streams', rows }, stats: run.stats, leaves: run.leaves };
  }
  const value = await run.metric(expr, true);
  const result = params.isInstant ? vectorResult(expr, value, params) : matrixResult(value, run.grid, params);
  return { result, stats: run.stats, leaves: run.leaves };
}

async function readLog(expr: LogExpr, params: QueryParams, run: Run) {
  const request = {
    kind: 'log' as const,
    tenant: params.tenant,
    expr: printExpr(expr),
    startNs: params.startNs,
    endNs: params.endNs,
    direction: params.direction,
    limit: params.limit,
  };
  return readSpaced(request, params.intervalNs, async (page) => {
    const result = await run.leaf(page);
    if (result.kind !== 'log') throw new Error('a log leaf answered with samples');
    return result;
  });
}

/** The operation of a sample leaf: a range aggregation, or one under an additive vector aggregation. */
export type SampleLeafExpr = RangeAggExpr | (VectorAggExpr & { readonly expr: RangeAggExpr });

/** The range aggregation inside a leaf. */
export function rangeAggOf(leaf: SampleLeafExpr): RangeAggExpr {
  return leaf.kind === 'rangeAgg' ? leaf : leaf.expr;
}

/** Can this expression be computed where the data is, from states that merge? */
export function asSampleLeaf(expr: MetricExpr): SampleLeafExpr | undefined {
  if (expr.kind === 'rangeAgg') return expr;
  if (expr.kind !== 'vectorAgg' || expr.expr.kind !== 'rangeAgg') return undefined;
  const inner = expr.expr;
  return !inner.grouping && pushes(expr.op, inner.op) ? { ...expr, expr: inner } : undefined;
}

function pushes(vectorOp: VectorAggExpr['op'], rangeOp: RangeAggExpr['op']): boolean {
  if (vectorOp === 'min') return rangeOp === 'min_over_time';
  if (vectorOp === 'max') return rangeOp === 'max_over_time';
  if (vectorOp !== 'sum') return false;
  const additive = ['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'sum_over_time'];
  return additive.includes(rangeOp);
}

class Run {
  readonly stats: LeafStats = emptyLeafStats();
  readonly grid: Grid;
  leaves = 0;
  readonly #params: QueryParams;
  readonly #runLeaf: RunLeaf;
  /** By text: `a / (a + b)` reads `a` once. */
  readonly #samples = new Map<string, Promise<SampleLeafResult>>();

  constructor(params: QueryParams, runLeaf: RunLeaf) {
    this.#params = params;
    this.#runLeaf = runLeaf;
    const { startNs, endNs, stepNs, isInstant } = params;
    const steps = isInstant || stepNs <= 0n || endNs <= startNs ? 1 : Number((endNs - startNs) / stepNs) + 1;
    // Callers refuse such queries long before; here it keeps the arrays below within memory.
    if (steps > cellsMax) {
      throw new LokiError(
        'badRequest',
        'exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter',
      );
    }
    this.grid = { startNs, stepNs: isInstant ? 0n : stepNs, steps };
  }

  leaf: RunLeaf = async (request) => {
    this.leaves++;
    const result = await this.#runLeaf(request);
    addLeafStats(this.stats, result.stats);
    return result;
  };

  async metric(expr: MetricExpr, isRoot = false): Promise<Value> {
    const { steps } = this.grid;
    const leaf = asSampleLeaf(expr);
    if (leaf) {
      const result = await this.#sampleLeaf(leaf, isRoot);
      return { kind: 'rows', rows: finalizeSeries(rangeAggOf(leaf), this.grid, result) };
    }
    switch (expr.kind) {
      case 'literal':
        return { kind: 'scalar', value: expr.value };
      case 'vector':
        return { kind: 'rows', rows: [constantRow(expr.value, steps)] };
      case 'vectorAgg': {
        const inner = await this.metric(expr.expr);
        return { kind: 'rows', rows: aggregateRows(expr, rowsOf(inner, steps), steps) };
      }
      case 'labelReplace': {
        const inner = await this.metric(expr.expr);
        return { kind: 'rows', rows: replaceLabels(expr, rowsOf(inner, steps)) };
      }
      case 'binary': {
        const [left, right] = await Promise.all([this.metric(expr.left), this.metric(expr.right)]);
        return combineValues(expr, left, right, steps);
      }
      case 'rangeAgg':
        throw new Error('a range aggregation is a leaf');
    }
  }

  #sampleLeaf(leaf: SampleLeafExpr, isRoot: boolean): Promise<SampleLeafResult> {
    const { startNs, stepNs, steps } = this.grid;
    const text = printExpr(leaf);
    const known = this.#samples.get(text);
    if (known) return known;
    const inner = Math.min(innerSeriesMax, Math.max(1, Math.floor(cellsMax / steps)));
    const request: SampleLeafRequest = {
      kind: 'samples',
      tenant: this.#params.tenant,
      expr: text,
      startNs,
      endNs: startNs + BigInt(steps - 1) * stepNs,
      stepNs,
      seriesMax: isRoot && this.#params.seriesMax > 0 ? Math.min(this.#params.seriesMax, inner) : inner,
    };
    const result = this.leaf(request).then((answer) => {
      if (answer.kind !== 'samples') throw new Error('a sample leaf answered with lines');
      return answer;
    });
    this.#samples.set(text, result);
    return result;
  }
}
