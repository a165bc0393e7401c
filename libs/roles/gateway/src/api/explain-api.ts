/**
 * `/loki/api/v1/explain`: the plan of a query and the data that it would read, from a dry run of its leaves.
 */
import { asSampleLeaf, evaluate, stepCount } from '@loki/engine';
import type { QueryParams } from '@loki/engine';
import { goJsonString } from '@loki/go';
import {
  parseExpr,
  parseLeafText,
  printExpr,
  printLeaf,
  printSelector,
  rangeAggregationOf,
} from '@loki/logql';
import type { Expr, LogExpr, MetricExpr } from '@loki/logql';
import { emptyLeafStats, emptyLogResult, jsonTextResponse } from '@loki/ports';
import type {
  Clock,
  HttpRequest,
  HttpResponse,
  LeafRequest,
  LeafResult,
  LeafStats,
  Tenancy,
} from '@loki/ports';
import { runForTenants } from '../frontend/multi-tenant.ts';
import type { QueryFrontend } from '../frontend/query-frontend.ts';
import {
  checkBlocked,
  checkQueryLength,
  checkRanges,
  checkSelectors,
  clampLookback,
} from '../limits/check-query-limits.ts';
import {
  badRequest,
  Params,
  parseDirection,
  parseLimit,
  parseStep,
  parseTime,
  parseTimeRange,
} from '../limits/params.ts';
import { estimateSeconds } from './explain-estimate.ts';

interface ExplainApiDeps {
  readonly frontend: QueryFrontend;
  readonly clock: Clock;
}

/** One operation of the plan with its inputs. */
interface PlanNode {
  readonly operation: string;
  readonly query: string;
  /** Index of the leaf, for an operation that runs where the data is and whose results merge. */
  readonly leaf?: number;
  readonly inputs?: readonly PlanNode[];
}

/** Streams of a leaf's selector in its time range, with their entries and line bytes. */
interface Selected {
  readonly streams: number;
  readonly entries: number;
  readonly lineBytes: number;
}

/**
 * `/loki/api/v1/explain`, a route that Loki lacks. It asks queriers and ingesters for dry runs, which read
 * only indexes; counts are as exact as these indexes.
 */
export class ExplainApi {
  readonly #deps: ExplainApiDeps;

  constructor(deps: ExplainApiDeps) {
    this.#deps = deps;
  }

  async explain(request: HttpRequest, tenancy: Tenancy): Promise<HttpResponse> {
    const params = Params.of(request);
    const text = params.get('query');
    const expr = parseExpr(text);
    const query = this.#parse(expr, text, request, tenancy);
    const leaves = await leavesOf(expr, query);
    const { frontend } = this.#deps;
    const answers = await frontend.withDeadline(tenancy, request.signal, (signal) =>
      Promise.all(leaves.map((leaf) => this.#askLeaf(tenancy, leaf, signal))),
    );
    const { slots } = frontend;
    const costs = answers.map(({ stats }, i) => ({
      stats,
      ...estimateSeconds(stats, logOf(parseLeafText(leaves[i].expr)).stages, slots),
    }));
    const items = leaves.map((leaf, i) => leafJson(leaf, answers[i].selected, costs[i]));
    const sum = (of: (stats: LeafStats) => number) =>
      costs.reduce((total, { stats }) => total + of(stats), 0);
    const estimate = {
      storedBytes: sum((stats) => stats.compressedBytes),
      lines: sum((stats) => stats.linesProcessed),
      lineBytes: sum((stats) => stats.lineBytes),
      blocks: sum((stats) => stats.blocksMatched),
      cpuSeconds: rounded(costs.reduce((total, each) => total + each.cpuSeconds, 0)),
      seconds: rounded(costs.reduce((total, each) => total + each.seconds, 0)),
    };
    return jsonTextResponse(
      `{"status":"success","data":{"query":${goJsonString(printExpr(expr))},` +
        `"kind":"${expr.kind === 'log' ? 'logs' : 'metric'}","plan":${JSON.stringify(planOf(expr, leaves))},` +
        `"leaves":[${items.join(',')}],"estimate":${JSON.stringify(estimate)}}}`,
    );
  }

  /** Reads parameters like the query endpoints: with `time` an instant query, otherwise a range query. */
  #parse(expr: Expr, text: string, request: HttpRequest, tenancy: Tenancy): QueryParams {
    const params = Params.of(request);
    const limits = this.#deps.frontend.limitsFor(tenancy, request);
    const nowNs = this.#deps.clock.nowNs();
    checkBlocked(expr, text, limits, request.headers.get('x-query-tags'));
    checkRanges(expr, limits);
    const base = {
      tenant: tenancy.ids[0],
      direction: parseDirection(params),
      limit: parseLimit(params),
      intervalNs: 0n,
      seriesMax: 0,
    };
    const time = params.get('time');
    if (time !== '') {
      if (expr.kind === 'log') {
        throw badRequest('log queries have a range: give start and end instead of time');
      }
      const timeNs = parseTime(time);
      return { ...base, startNs: timeNs, endNs: timeNs, stepNs: 0n, isInstant: true };
    }
    const range = parseTimeRange(params, nowNs);
    if (range.endNs < range.startNs) {
      throw badRequest('end timestamp must not be before or equal to start time');
    }
    const stepNs = parseStep(params, range);
    checkQueryLength(range, limits);
    checkSelectors(expr, limits);
    const clamped = clampLookback(range, limits, nowNs) ?? { startNs: range.endNs, endNs: range.endNs };
    return { ...base, ...clamped, stepNs, isInstant: false };
  }

  async #askLeaf(
    tenancy: Tenancy,
    leaf: LeafRequest,
    signal: AbortSignal,
  ): Promise<{ stats: LeafStats; selected: Selected }> {
    const { querier } = this.#deps.frontend;
    const { startNs, endNs } = windowOf(leaf);
    const selector = printSelector(logOf(parseLeafText(leaf.expr)).matchers);
    const dryRun: LeafRequest = { ...leaf, isDryRun: true };
    const [result, ...streamLists] = await Promise.all([
      runForTenants(tenancy, dryRun, {
        run: (request) => querier.runLeaf(request, signal),
        complete: (work) => this.#deps.frontend.complete(work, signal),
      }),
      ...tenancy.ids.map((tenant) => querier.streams({ tenant, selector, startNs, endNs }, signal)),
    ]);
    const selected = { streams: 0, entries: 0, lineBytes: 0 };
    for (const streams of streamLists) {
      selected.streams += streams.length;
      for (const { entries, lineBytes } of streams) {
        selected.entries += entries;
        selected.lineBytes += lineBytes;
      }
    }
    return { stats: result.stats, selected };
  }
}

/** The leaves that evaluating the query would run. */
async function leavesOf(expr: Expr, params: QueryParams): Promise<LeafRequest[]> {
  const leaves: LeafRequest[] = [];
  await evaluate(expr, params, (leaf) => {
    leaves.push(leaf);
    return Promise.resolve(emptyResult(leaf));
  });
  return leaves;
}

function emptyResult(leaf: LeafRequest): LeafResult {
  if (leaf.kind === 'log') return emptyLogResult();
  return { kind: 'samples', steps: stepCount(leaf), series: [], stats: emptyLeafStats() };
}

function planOf(expr: Expr, leaves: readonly LeafRequest[]): PlanNode {
  const query = printExpr(expr);
  if (expr.kind === 'log') return { operation: 'lines', query, leaf: 0 };
  const leaf = asSampleLeaf(expr);
  if (leaf) {
    const text = printLeaf(leaf);
    const index = leaves.findIndex((each) => each.expr === text);
    const isPushed = leaf.kind === 'vectorAgg';
    return { operation: isPushed ? `${leaf.op}(${leaf.expr.op})` : leaf.op, query, leaf: index };
  }
  const node = (operation: string, ...inputs: MetricExpr[]): PlanNode => ({
    operation,
    query,
    ...(inputs.length > 0 ? { inputs: inputs.map((input) => planOf(input, leaves)) } : {}),
  });
  switch (expr.kind) {
    case 'binary':
      return node(expr.op, expr.left, expr.right);
    case 'vectorAgg':
      return node(expr.op, expr.expr);
    case 'labelReplace':
      return node('label_replace', expr.expr);
    default:
      return node(expr.kind);
  }
}

function logOf(expr: Expr): LogExpr {
  return expr.kind === 'log' ? expr : rangeAggregationOf(expr).log;
}

/** The time of a leaf's rows: startNs <= ts < endNs. */
function windowOf(leaf: LeafRequest): { startNs: bigint; endNs: bigint } {
  if (leaf.kind === 'log') return { startNs: leaf.startNs, endNs: leaf.endNs };
  const { offsetNs, rangeNs } = rangeAggregationOf(parseLeafText(leaf.expr));
  return { startNs: leaf.startNs - offsetNs - rangeNs + 1n, endNs: leaf.endNs - offsetNs + 1n };
}

function leafJson(
  leaf: LeafRequest,
  selected: Selected,
  cost: { stats: LeafStats; cpuSeconds: number; seconds: number },
): string {
  const { stats } = cost;
  const range =
    leaf.kind === 'log'
      ? `"start":"${leaf.startNs}","end":"${leaf.endNs}","direction":"${leaf.direction}","limit":${leaf.limit}`
      : `"start":"${leaf.startNs}","end":"${leaf.endNs}","step":"${leaf.stepNs}","steps":${stepCount(leaf)}`;
  const blocks = {
    outOfTime: stats.blocksOutOfTime,
    ofOtherStreams: stats.blocksOfOtherStreams,
    ruledOutByFilter: stats.blocksRuledOut,
    answeredByDirectory: stats.blocksSkipped - stats.blocksRuledOut,
    toRead: stats.blocksMatched,
  };
  const total = Object.values(blocks).reduce((sum, count) => sum + count, 0);
  const options = {
    selected,
    segments: stats.segments,
    blocks: { total, ...blocks },
    lines: stats.linesProcessed,
    lineBytes: stats.lineBytes,
    storedBytes: stats.compressedBytes,
    unflushedLines: stats.headLines,
    cpuSeconds: rounded(cost.cpuSeconds),
    seconds: rounded(cost.seconds),
  };
  return `{"query":${goJsonString(leaf.expr)},${range},${JSON.stringify(options).slice(1)}`;
}

function rounded(seconds: number): number {
  return Number(seconds.toPrecision(3));
}
