/** Computes the root of a query from merged leaves: steps *plan* and *merge, respond*. */
import { printLeaf } from '@loki/logql';
import type { Expr, LogExpr, MetricExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import { addLeafStats, emptyLeafStats } from '@loki/ports';
import type { CheckCancelled, LeafStats, SampleLeafRequest, SampleLeafResult } from '@loki/ports';
import { neverCancelled } from '../common/cancel.ts';
import type { Grid } from '../common/grid.ts';
import { asSampleLeaf, rangeAggOf } from '../common/leaf-expr.ts';
import type { SampleLeafExpr } from '../common/leaf-expr.ts';
import { MemoryBudget, seriesBytes } from '../common/memory-budget.ts';
import type {
  EvaluateOptions,
  QueryOutcome,
  QueryParams,
  QueryResult,
  RunLeaf,
} from '../common/query-types.ts';
import { complete, sorted } from '../common/sliced-work.ts';
import type { Work } from '../common/sliced-work.ts';
import { bytesOfAll } from '../merge/result-bytes.ts';
import { combineValues } from './binary.ts';
import { finalizeRows } from './finalize.ts';
import { readSpaced } from './interval.ts';
import { replaceLabels } from './label-replace.ts';
import { matrixResult, vectorResult } from './result.ts';
import { byLabels, constantRow, rowBytes, rowsOf } from './rows.ts';
import type { MetricValue } from './rows.ts';
import { aggregateRows } from './vector-aggregation.ts';

/**
 * Computes a query: its leaves by `runLeaf`, everything else here.
 *
 * @param expr the result of `parseExpr`
 * @throws LokiError: with Loki's texts for impossible matches and too many series; for exceeded memory; also
 *   every error of `runLeaf`
 *
 * O(series × steps) for each operation, in typed arrays.
 */
export async function evaluate(
  expr: Expr,
  params: QueryParams,
  runLeaf: RunLeaf,
  options: EvaluateOptions = {},
): Promise<QueryOutcome> {
  if (!options.isApproxTopkEnabled && expr.kind !== 'log') refuseApproxTopk(expr);
  const evaluation = new Evaluation(params, runLeaf, options);
  try {
    const result = await resultOf(expr, params, evaluation);
    return { result, stats: evaluation.stats, leaves: evaluation.leaves };
  } finally {
    evaluation.close();
  }
}

async function resultOf(expr: Expr, params: QueryParams, evaluation: Evaluation): Promise<QueryResult> {
  if (expr.kind === 'log') return { type: 'streams', rows: await readLog(expr, params, evaluation) };
  const value = await evaluation.metric(expr, true);
  evaluation.chargeAnswer(value);
  return evaluation.complete(
    params.isInstant ? vectorResult(expr, value, params) : matrixResult(value, evaluation.grid, params),
  );
}

async function readLog(expr: LogExpr, params: QueryParams, evaluation: Evaluation) {
  const request = {
    kind: 'log' as const,
    tenant: params.tenant,
    expr: printLeaf(expr),
    startNs: params.startNs,
    endNs: params.endNs,
    direction: params.direction,
    limit: params.limit,
    ...evaluation.leafLimits,
  };
  return readSpaced(request, params.intervalNs, async (page) => {
    const result = await evaluation.leaf(page);
    if (result.kind !== 'log') throw new Error('a log leaf answered with samples');
    return result;
  });
}

/** Most steps of one query: ten times the callers' bound; 16 bytes for each step are still little. */
const stepsMax = 1 << 20;
/** Bytes of a timestamp and a value as text. */
const answerCellBytes = 32;

function refuseApproxTopk(expr: MetricExpr): void {
  switch (expr.kind) {
    case 'vectorAgg':
      if (expr.op === 'approx_topk') {
        throw new LokiError('internal', 'approx_topk is not enabled. See -limits.shard_aggregations');
      }
      return refuseApproxTopk(expr.expr);
    case 'labelReplace':
      return refuseApproxTopk(expr.expr);
    case 'binary':
      refuseApproxTopk(expr.left);
      return refuseApproxTopk(expr.right);
    default:
  }
}

/** The state of one evaluation: memory budget, statistics, and the leaves so far. */
class Evaluation {
  readonly stats: LeafStats = emptyLeafStats();
  readonly grid: Grid;
  leaves = 0;
  readonly #params: QueryParams;
  readonly #runLeaf: RunLeaf;
  readonly #memory: MemoryBudget;
  readonly #checkCancelled: CheckCancelled;
  readonly #thread: EvaluateOptions['thread'];
  /** The query's limits for each leaf. */
  readonly leafLimits: { readonly memoryBytesMax?: number };
  /** The charged bytes of values. */
  readonly #heldBytes = new WeakMap<MetricValue, number>();
  /** Leaves by text: `a / (a + b)` reads `a` once. */
  readonly #samples = new Map<string, Promise<SampleLeafResult>>();

  constructor(params: QueryParams, runLeaf: RunLeaf, options: EvaluateOptions) {
    this.#params = params;
    this.#runLeaf = runLeaf;
    const { memoryBytesMax = 0, checkCancelled = neverCancelled, thread } = options;
    this.#memory = thread ? thread.memory.open(memoryBytesMax) : new MemoryBudget(memoryBytesMax);
    this.#checkCancelled = checkCancelled;
    this.#thread = thread;
    this.leafLimits = memoryBytesMax > 0 ? { memoryBytesMax } : {};
    const { startNs, endNs, stepNs, isInstant } = params;
    const steps = isInstant || stepNs <= 0n || endNs <= startNs ? 1 : Number((endNs - startNs) / stepNs) + 1;
    // Callers refuse such queries earlier; this check bounds the arrays below.
    if (steps > stepsMax) {
      throw new LokiError(
        'badRequest',
        'exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter',
      );
    }
    this.grid = { startNs, stepNs: isInstant ? 0n : stepNs, steps };
  }

  close(): void {
    this.#memory.close();
  }

  leaf: RunLeaf = async (request) => {
    this.leaves++;
    const result = await this.#runLeaf(request);
    addLeafStats(this.stats, result.stats);
    return result;
  };

  /** Charges the text of the answer: a sample takes about thirty characters. */
  chargeAnswer(value: MetricValue): void {
    if (value.kind === 'rows') this.#memory.charge(value.rows.length * this.grid.steps * answerCellBytes);
  }

  /** Computes an expression; the value is charged until `#release`. */
  async metric(expr: MetricExpr, isRoot = false): Promise<MetricValue> {
    const leaf = asSampleLeaf(expr);
    const value = leaf ? await this.#leafValue(leaf, isRoot) : await this.#operation(expr);
    if (value.kind === 'scalar') return value;
    const bytes = await this.complete(bytesOfAll(value.rows, rowBytes));
    this.#heldBytes.set(value, bytes);
    // Rows of leaves are charged while they are built.
    if (!leaf) this.#memory.charge(bytes);
    return value;
  }

  async #leafValue(leaf: SampleLeafExpr, isRoot: boolean): Promise<MetricValue> {
    const result = await this.#sampleLeaf(leaf, isRoot);
    this.#checkCancelled();
    const rows = await this.complete(finalizeRows(rangeAggOf(leaf), this.grid, result, this.#memory));
    // Sort first: which equal series topk selects, and the rounding of sums, must not depend on storage
    // order. (The root result is sorted later.)
    return { kind: 'rows', rows: isRoot ? rows : await this.complete(sorted(rows, byLabels)) };
  }

  async #operation(expr: MetricExpr): Promise<MetricValue> {
    const { steps } = this.grid;
    switch (expr.kind) {
      case 'literal':
        return { kind: 'scalar', value: expr.value };
      case 'vector':
        return { kind: 'rows', rows: [constantRow(expr.value, steps)] };
      case 'vectorAgg': {
        const inner = await this.metric(expr.expr);
        const rows = await this.complete(aggregateRows(expr, rowsOf(inner, steps), steps, this.#memory));
        return this.#computed({ kind: 'rows', rows }, inner);
      }
      case 'labelReplace': {
        const inner = await this.metric(expr.expr);
        const rows = await this.complete(replaceLabels(expr, rowsOf(inner, steps), this.#memory));
        return this.#computed({ kind: 'rows', rows }, inner);
      }
      case 'binary': {
        const [left, right] = await Promise.all([this.metric(expr.left), this.metric(expr.right)]);
        const value = await this.complete(combineValues(expr, left, right, { steps, memory: this.#memory }));
        return this.#computed(value, left, right);
      }
      case 'rangeAgg':
        throw new Error('a range aggregation is a leaf');
    }
  }

  /** Releases the inputs of a computed value. */
  #computed(value: MetricValue, ...from: readonly MetricValue[]): MetricValue {
    for (const used of from) this.#memory.release(this.#heldBytes.get(used) ?? 0);
    return value;
  }

  complete<T>(work: Work<T>): Promise<T> {
    if (this.#thread) return this.#thread.complete(work, this.#checkCancelled);
    return complete(work, () => undefined, this.#checkCancelled);
  }

  #sampleLeaf(leaf: SampleLeafExpr, isRoot: boolean): Promise<SampleLeafResult> {
    const { startNs, stepNs, steps } = this.grid;
    const text = printLeaf(leaf);
    const cached = this.#samples.get(text);
    if (cached) return cached;
    const request: SampleLeafRequest = {
      kind: 'samples',
      tenant: this.#params.tenant,
      expr: text,
      startNs,
      endNs: startNs + BigInt(steps - 1) * stepNs,
      stepNs,
      // Series below other operations are not in the answer, so the tenant's limit does not apply; the memory
      // bound does.
      seriesMax: isRoot ? this.#params.seriesMax : 0,
      ...this.leafLimits,
    };
    const result = this.leaf(request).then(async (answer) => {
      if (answer.kind !== 'samples') throw new Error('a sample leaf answered with lines');
      // Charged to the end of the query: another part may read the same leaf.
      this.#memory.charge(await this.complete(bytesOfAll(answer.series, seriesBytes)));
      return answer;
    });
    this.#samples.set(text, result);
    return result;
  }
}
