/** Queries over several tenants: one leaf for each, results labelled by tenant, strictest limits. */
import type { Limits } from '@loki/config';
import { mergeLeafResults } from '@loki/engine';
import type { Work } from '@loki/engine';
import { checkSelectors, compileMatchers, parseLeafText, printLeaf, rangeAggregationOf } from '@loki/logql';
import type { Expr, Grouping, LogExpr, Matcher, MetricExpr } from '@loki/logql';
import { compareText, LokiError } from '@loki/model';
import type { LabelPair, TenantId } from '@loki/model';
import type { LabelSet, LeafRequest, LeafResult, SeriesState, Tenancy } from '@loki/ports';
import { badRequest } from '../limits/params.ts';

/**
 * The label with the tenant in an answer for several tenants, and the new name of a stream's own label of
 * that name.
 */
export const tenantLabel = '__tenant_id__';
const renamedTenantLabel = 'original___tenant_id__';

interface LeafOfTenants {
  readonly run: (request: LeafRequest) => Promise<LeafResult>;
  /** Does work of this thread. */
  readonly complete: <T>(work: Work<T>) => Promise<T>;
}

/**
 * Runs one leaf for each tenant that the selector's tenant matchers accept, and merges the answers. The
 * tenant label is added to the results afterwards, so pipeline stages do not see it.
 */
export async function runForTenants(
  tenancy: Tenancy,
  request: LeafRequest,
  { run, complete }: LeafOfTenants,
): Promise<LeafResult> {
  if (!tenancy.isMulti) return run(request);
  const expr = parseLeafText(request.expr);
  const log = logOf(expr);
  const tenants = selectTenants(tenancy.ids, log.matchers);
  const matchers = log.matchers.filter((matcher) => matcher.name !== tenantLabel);
  // As in Loki, a metric query with tenant matchers only has no samples; such a log query is refused.
  if (matchers.length === 0 && expr.kind !== 'log') return complete(mergeLeafResults(request, []));
  const text = matchers.length === log.matchers.length ? request.expr : withMatchers(expr, matchers);
  const answers = await Promise.all(
    tenants.map(async (tenant) => {
      const answer = await run({ ...request, tenant, expr: text });
      return complete(labelled(answer, tenant, expr));
    }),
  );
  return complete(mergeLeafResults(request, answers));
}

/** The tenants that all `__tenant_id__` matchers accept. */
function selectTenants(ids: readonly TenantId[], matchers: readonly Matcher[]): TenantId[] {
  const matches = compileMatchers(matchers.filter((matcher) => matcher.name === tenantLabel));
  return ids.filter((id) => matches({ get: () => id }));
}

function withMatchers(expr: Expr, matchers: readonly Matcher[]): string {
  const replaced = replaceMatchers(expr, matchers);
  try {
    checkSelectors(replaced);
  } catch (error) {
    throw badRequest(`log selector is invalid after matcher update: ${(error as Error).message}`);
  }
  return printLeaf(replaced);
}

function replaceMatchers(expr: Expr, matchers: readonly Matcher[]): Expr {
  switch (expr.kind) {
    case 'log':
      return { ...expr, matchers };
    case 'rangeAgg':
      return { ...expr, log: { ...expr.log, matchers } };
    case 'vectorAgg':
      return { ...expr, expr: replaceMatchers(expr.expr, matchers) as MetricExpr };
    default:
      throw new LokiError('internal', `${expr.kind} is no leaf`);
  }
}

function logOf(expr: Expr): LogExpr {
  if (expr.kind === 'log') return expr;
  return rangeAggregationOf(expr).log;
}

function* labelled(result: LeafResult, tenant: TenantId, expr: Expr): Work<LeafResult> {
  if (result.kind === 'log') {
    const labelSets: LabelSet[] = [];
    for (const set of result.labelSets) {
      labelSets.push({ ...set, stream: withTenant(set.stream, tenant) });
      if (labelSets.length % setsPerSlice === 0) yield;
    }
    return { ...result, labelSets };
  }
  if (expr.kind !== 'log' && !keepsTenantLabel(expr)) return result;
  const series: SeriesState[] = [];
  for (const each of result.series) {
    series.push({ ...each, labels: withTenant(each.labels, tenant) });
    if (series.length % setsPerSlice === 0) yield;
  }
  return { ...result, series };
}

/** Label lists that are made between two pauses. */
const setsPerSlice = 64;

export function withTenant(labels: readonly LabelPair[], tenant: TenantId): LabelPair[] {
  // `Labels` have no empty values, and a parsed label of a series may be empty.
  const byName = new Map<string, string>();
  for (const [name, value] of labels) byName.set(name === tenantLabel ? renamedTenantLabel : name, value);
  byName.set(tenantLabel, tenant);
  return [...byName].sort(([a], [b]) => compareText(a, b));
}

/** True if the groupings that the leaf computes keep the tenant label. */
function keepsTenantLabel(expr: MetricExpr): boolean {
  if (expr.kind === 'vectorAgg') {
    // Without a clause everything is added up into one series.
    return expr.grouping ? keeps(expr.grouping) && keepsTenantLabel(expr.expr) : false;
  }
  if (expr.kind === 'rangeAgg') {
    return expr.op !== 'absent_over_time' && (!expr.grouping || keeps(expr.grouping));
  }
  return false;
}

function keeps(grouping: Grouping): boolean {
  return grouping.labels.includes(tenantLabel) !== grouping.without;
}

/** Limits for a query over several tenants: the smallest set value of each; a boolean is true if all are. */
export function strictestLimits(all: readonly Limits[]): Limits {
  if (all.length === 1) return all[0];
  const strictest = { ...all[0] } as Record<string, unknown>;
  for (const limits of all.slice(1)) {
    for (const [name, value] of Object.entries(limits)) {
      const current = strictest[name];
      if (typeof value === 'boolean') strictest[name] = value && current;
      else if (typeof value === 'number' && typeof current === 'number') {
        strictest[name] = value === 0 ? current : current === 0 ? value : Math.min(value, current);
      } else if (Array.isArray(value) && Array.isArray(current)) {
        strictest[name] = [...new Set([...current, ...value])];
      }
    }
  }
  return strictest as unknown as Limits;
}
