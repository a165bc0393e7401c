/** Compiles the text of a leaf to a plan: step *plan* of a query, in the process that scans. */
import { parseExpr, parseSelectionSyntax } from '@loki/logql';
import type {
  Grouping,
  LogExpr,
  RangeAggExpr,
  RangeOp,
  Stage,
  StringMatcher,
  Unwrap,
  VectorOp,
} from '@loki/logql';
import type { CountedErrors } from '../common/error-labels.ts';
import { withoutIdleFormats, withoutIdleUnpack } from './idle-stages.ts';
import { impliedLineFilters } from './implied-line-filter.ts';
import type { ImpliedLineFilter } from './implied-line-filter.ts';
import { labelsOfFilter, looksAtErrors } from './label-filter.ts';
import { NeededLabels } from './needed-labels.ts';
import { compilePipeline, labelsReadBy } from './pipeline.ts';
import type { Pipeline } from './pipeline.ts';
import { requirementOf } from './requirement.ts';
import type { Requirement } from './requirement.ts';
import { compileCachedMatcher } from './string-match.ts';
import { UnwrapStage } from './unwrap-stage.ts';

/** A compiled log selection. */
export interface LogPlan {
  readonly kind: 'log';
  /** The selector as text: a cache key for its streams. */
  readonly selectorKey: string;
  readonly selector: readonly StringMatcher[];
  readonly pipeline: Pipeline;
  /** The condition by which search filters rule out blocks; undefined: none. */
  readonly requirement: Requirement | undefined;
  /** Filters that run after the pipeline's own line filters. */
  readonly impliedFilters: readonly ImpliedLineFilter[];
}

/** A compiled range aggregation, possibly with the vector aggregation around it. */
export interface SamplePlan {
  readonly kind: 'samples';
  readonly selectorKey: string;
  readonly selector: readonly StringMatcher[];
  readonly pipeline: Pipeline;
  readonly requirement: Requirement | undefined;
  readonly impliedFilters: readonly ImpliedLineFilter[];
  readonly op: RangeOp;
  readonly unwrap: UnwrapStage | undefined;
  readonly rangeNs: bigint;
  readonly offsetNs: bigint;
  /** The grouping of series; undefined: by all labels. */
  readonly grouping: Grouping | undefined;
  /** Whether grouping by name sees a label that was dropped and then parsed again. */
  readonly groupsDropped: boolean;
  /**
   * Keep empty parsed labels. Grouping by name, and everything above, treats them as absent.
   */
  readonly keepsEmptyLabels: boolean;
  readonly countedErrors: CountedErrors;
  readonly needed: NeededLabels;
}

export type LeafPlan = LogPlan | SamplePlan;

/**
 * Compiles the text of a leaf.
 *
 * @throws LokiError badRequest when the text is no query; Error for a query that leaves cannot compute
 */
export function compileLeaf(text: string): LeafPlan {
  const expr = parseExpr(text);
  if (expr.kind === 'log') {
    return {
      kind: 'log',
      ...compileSelector(expr),
      pipeline: compilePipeline(expr.stages, NeededLabels.all),
      ...requirementsOf(expr.stages),
    };
  }
  if (expr.kind === 'rangeAgg') return compileSamples(expr, expr.grouping, undefined);
  if (expr.kind === 'vectorAgg' && expr.expr.kind === 'rangeAgg') {
    return compileSamples(expr.expr, expr.grouping ?? { without: false, labels: [] }, expr.op);
  }
  throw new Error(`a leaf cannot compute ${text}`);
}

/**
 * Compiles the selection of a delete. It was checked when the delete was accepted; checks that are stricter
 * now must not fail the tenant's queries.
 *
 * @throws LokiError badRequest when the text is no log query
 */
export function compileSelection(text: string): LogPlan {
  const log = parseSelectionSyntax(text, 'any');
  return {
    kind: 'log',
    ...compileSelector(log),
    pipeline: compilePipeline(log.stages, NeededLabels.all),
    ...requirementsOf(log.stages),
  };
}

function requirementsOf(stages: readonly Stage[]): Pick<LogPlan, 'requirement' | 'impliedFilters'> {
  const requirement = requirementOf(stages);
  return { requirement, impliedFilters: impliedLineFilters(requirement) };
}

function compileSelector(log: LogExpr): { selectorKey: string; selector: StringMatcher[] } {
  return { selectorKey: JSON.stringify(log.matchers), selector: log.matchers.map(compileCachedMatcher) };
}

function compileSamples(
  written: RangeAggExpr,
  outer: Grouping | undefined,
  vectorOp: VectorOp | undefined,
): SamplePlan {
  const range = withoutIdleFormats(written);
  const isAbsent = range.op === 'absent_over_time';
  const grouping = isAbsent ? { without: false, labels: [] } : outer;
  // A parser that stops early misses errors, which users can see: Loki's parsers stop early under a sum, not
  // under other operations.
  const mayStop = isAbsent ? !hasErrorFilter(range) : vectorOp === undefined || vectorOp === 'sum';
  const needed = neededLabels(range, grouping, mayStop);
  const stages = needed.isNone ? withoutIdleUnpack(range.log.stages) : range.log.stages;
  // If no label is needed, Loki's parsers do not run and cannot fail.
  const countsParsers = needed.areErrorsNamed || needed.isNone;
  const countedErrors = isAbsent ? 'all' : countsParsers ? 'ofParsers' : 'none';
  return {
    kind: 'samples',
    ...compileSelector(range.log),
    pipeline: compilePipeline(stages, needed),
    ...requirementsOf(stages),
    op: range.op,
    unwrap: range.unwrap && new UnwrapStage(range.unwrap, countedErrors),
    rangeNs: range.rangeNs,
    offsetNs: range.offsetNs,
    grouping,
    groupsDropped: !mayStop,
    keepsEmptyLabels: vectorOp === undefined && (!grouping || grouping.without),
    countedErrors,
    needed,
  };
}

/**
 * The labels that the parsers of a metric query must extract: with `by`, only its labels and those that
 * stages read.
 */
function neededLabels(range: RangeAggExpr, grouping: Grouping | undefined, mayStop: boolean): NeededLabels {
  if (!grouping || grouping.without) return NeededLabels.all;
  const read = labelsReadBy(range.log.stages);
  if (!read) return NeededLabels.all;
  return new NeededLabels(new Set([...grouping.labels, ...read, ...labelsOfUnwrap(range.unwrap)]), mayStop);
}

/** Whether the presence of a row may depend on an error in the rest of its line. */
function hasErrorFilter({ log, unwrap }: RangeAggExpr): boolean {
  const isOne = (stage: Stage) => stage.kind === 'labelFilter' && looksAtErrors(stage.filter);
  return log.stages.some(isOne) || (unwrap?.filters.some(looksAtErrors) ?? false);
}

function labelsOfUnwrap(unwrap: Unwrap | undefined): string[] {
  return unwrap ? [unwrap.label, ...unwrap.filters.flatMap(labelsOfFilter)] : [];
}
