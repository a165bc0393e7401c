/** Builds the nodes of a query's tree and checks them: the actions of the grammar. */
import type {
  BinaryExpr, BinaryOp, CompareOp, Expr, Grouping, LabelFilter, LabelReplaceExpr, LiteralExpr, Matcher, MatchOp,
  MetricExpr, RangeAggExpr, RangeOp, Stage, Unwrap, VectorAggExpr, VectorMatching, VectorOp,
} from './ast.ts'; // prettier-ignore
import { messageOfPart, parseError } from './errors.ts';
import { fold } from './fold.ts';
import { formatSixDigits, parseFloatGo } from './numbers.ts';
import { parsePattern } from './pattern.ts';
import { checkLabelRegex, checkRegexpParser, checkReplaceRegex } from './regex-check.ts';

/** The text between the parentheses of a range aggregation. */
export type LogRange = Pick<RangeAggExpr, 'log' | 'unwrap' | 'rangeNs' | 'offsetNs'>;

/** The matching of a binary operation, while it is parsed. */
export type Modifier = VectorMatching;

/** Deepest nesting of expressions; deeper trees would overflow the stack of code that walks them. */
const depthMax = 1000;

const depths = new WeakMap<object, number>();

/** Records the depth of `node` from that of `children`; throws when it is too deep. */
function withDepth<T extends object>(node: T, ...children: object[]): T {
  let depth = 1;
  for (const child of children) depth = Math.max(depth, (depths.get(child) ?? 1) + 1);
  if (depth > depthMax) throw parseError(`expression is nested too deeply (> ${depthMax})`);
  depths.set(node, depth);
  return node;
}

export function literal(text: string, sign: 1 | -1): number {
  const value = parseFloatGo(text);
  if (typeof value === 'string') throw parseError(`unable to parse literal as a float: ${value}`);
  return sign * value;
}

export function matcher(name: string, op: MatchOp, value: string): Matcher {
  if (op === '=~' || op === '!~') checkLabelRegex(value);
  return { name, op, value };
}

/**
 * Appends in place: pipelines may have thousands of stages. A negative line filter with alternatives becomes
 * one filter per alternative, because a line passes only when none of them occurs.
 */
export function mergePipeline(stages: Stage[], stage: Stage): Stage[] {
  if (stage.kind === 'lineFilter' && stage.op.startsWith('!')) {
    for (const operand of stage.operands) stages.push({ ...stage, operands: [operand] });
  } else stages.push(stage);
  return stages;
}

export function regexpStage(pattern: string): Stage {
  checkRegexpParser(pattern);
  return { kind: 'regexp', pattern };
}

export function patternStage(pattern: string): Stage {
  try {
    parsePattern(pattern);
  } catch (error) {
    throw parseError(`invalid pattern parser: ${messageOfPart(error)}`);
  }
  return { kind: 'pattern', pattern };
}

export function stringFilter(filter: Matcher): LabelFilter {
  return { kind: 'string', matcher: filter };
}
export function ipFilter(name: string, op: '=' | '!=', pattern: string): LabelFilter {
  return { kind: 'ip', name, op, pattern };
}
export function numberFilter(name: string, op: CompareOp, value: number): LabelFilter {
  return { kind: 'number', name, op, value };
}
export function durationFilter(name: string, op: CompareOp, valueNs: bigint): LabelFilter {
  return { kind: 'duration', name, op, valueNs };
}
export function bytesFilter(name: string, op: CompareOp, valueBytes: number): LabelFilter {
  return { kind: 'bytes', name, op, valueBytes };
}
export function andFilter(left: LabelFilter, right: LabelFilter): LabelFilter {
  return withDepth({ kind: 'and', left, right }, left, right);
}
export function orFilter(left: LabelFilter, right: LabelFilter): LabelFilter {
  return withDepth({ kind: 'or', left, right }, left, right);
}

export function unwrapFilter(unwrap: Unwrap, filter: LabelFilter): Unwrap {
  return { ...unwrap, filters: [...unwrap.filters, filter] };
}

/** Builds a log range once its selector and span are known; they stand at different places of the text. */
export function logRange(
  stages: Stage[],
  unwrap: Unwrap | undefined,
): (matchers: Matcher[], span: Pick<LogRange, 'rangeNs' | 'offsetNs'>) => LogRange {
  return (matchers, span) => ({
    log: { kind: 'log', matchers, stages },
    ...(unwrap && { unwrap }),
    rangeNs: span.rangeNs,
    offsetNs: span.offsetNs,
  });
}

const groupable: ReadonlySet<RangeOp> = new Set<RangeOp>([
  'avg_over_time', 'stddev_over_time', 'stdvar_over_time', 'quantile_over_time', 'max_over_time', 'min_over_time',
  'first_over_time', 'last_over_time',
]); // prettier-ignore
const neverUnwrapped: ReadonlySet<RangeOp> = new Set<RangeOp>([
  'count_over_time',
  'bytes_over_time',
  'bytes_rate',
]);
const eitherWay: ReadonlySet<RangeOp> = new Set<RangeOp>(['rate', 'absent_over_time']);

export function rangeAggregation(
  op: RangeOp,
  parameterText: string | undefined,
  range: LogRange,
  grouping: Grouping | undefined,
): RangeAggExpr {
  const parameter = parameterText === undefined ? undefined : literal(parameterText, 1);
  if (op === 'quantile_over_time') {
    if (parameter === undefined) throw parseError(`parameter required for operation ${op}`);
  } else if (parameter !== undefined) {
    throw parseError(`parameter ${parameter} not supported for operation ${op}`);
  }
  if (grouping && !groupable.has(op)) throw parseError(`grouping not allowed for ${op} aggregation`);
  if (range.unwrap && neverUnwrapped.has(op)) throw parseError(`invalid aggregation ${op} with unwrap`);
  if (!range.unwrap && !neverUnwrapped.has(op) && !eitherWay.has(op)) {
    throw parseError(`invalid aggregation ${op} without unwrap`);
  }
  return {
    kind: 'rangeAgg',
    op,
    ...(parameter !== undefined && { parameter }),
    ...range,
    ...(grouping && { grouping }),
  };
}

export function vectorAggregation(
  op: VectorOp,
  parameterText: string | undefined,
  expr: MetricExpr,
  grouping: Grouping | undefined,
): VectorAggExpr {
  let parameter: number | undefined;
  if (op === 'topk' || op === 'bottomk' || op === 'approx_topk') {
    if (parameterText === undefined) throw parseError(`parameter required for operation ${op}`);
    const isInteger = /^\d+$/.test(parameterText) && BigInt(parameterText) < 1n << 63n;
    if (!isInteger) throw parseError(`invalid parameter ${op}(${parameterText},`);
    parameter = Number(parameterText);
    if (parameter <= 0) {
      throw parseError(`invalid parameter (must be greater than 0) ${op}(${parameterText}`);
    }
    if (op === 'approx_topk' && grouping) throw parseError(`grouping not allowed for ${op} aggregation`);
  } else if (parameterText !== undefined) {
    throw parseError(`unsupported parameter for operation ${op}(${parameterText},`);
  } else if ((op === 'sort' || op === 'sort_desc') && grouping) {
    throw parseError("sort and sort_desc doesn't allow grouping by ");
  }
  return withDepth(
    {
      kind: 'vectorAgg',
      op,
      ...(parameter !== undefined && { parameter }),
      ...(grouping && { grouping }),
      expr,
    },
    expr,
  );
}

export function labelReplace(
  expr: MetricExpr,
  options: Pick<LabelReplaceExpr, 'destination' | 'replacement' | 'source' | 'pattern'>,
): LabelReplaceExpr {
  checkReplaceRegex(options.pattern);
  return withDepth({ kind: 'labelReplace', expr, ...options }, expr);
}

export function combine(returnBool: boolean): Modifier {
  return { returnBool, on: false, labels: [], card: 'one-to-one', include: [] };
}

export function binary(op: BinaryOp, modifier: Modifier, left: Expr, right: Expr): BinaryExpr | LiteralExpr {
  for (const [expr, leg] of [[left, 'left'], [right, 'right']] as const) {
    if (expr.kind === 'log') {
      throw parseError(`unexpected type for ${leg} leg of binary operation (${op}): ${goType(expr)}`);
    }
  } // prettier-ignore
  const [leftMetric, rightMetric] = [left as MetricExpr, right as MetricExpr];
  if (op === 'and' || op === 'or' || op === 'unless') {
    for (const [expr, leg] of [[leftMetric, 'left'], [rightMetric, 'right']] as const) {
      if (expr.kind !== 'literal') continue;
      const value = formatSixDigits(expr.value);
      throw parseError(`unexpected literal for ${leg} leg of logical/set binary operation (${op}): ${value}`);
    } // prettier-ignore
  }
  if (leftMetric.kind === 'literal' && rightMetric.kind === 'literal') {
    return { kind: 'literal', value: fold(op, leftMetric.value, rightMetric.value) };
  }
  return withDepth(
    { kind: 'binary', op, matching: modifier, left: leftMetric, right: rightMetric },
    left,
    right,
  );
}

/** Loki's Go type of a log expression, for error texts. */
function goType(expr: Expr): string {
  return expr.kind === 'log' && expr.stages.length > 0 ? '*syntax.PipelineExpr' : '*syntax.MatchersExpr';
}
