/** Limits of a tenant that refuse a query before it runs. */
import type { Limits } from '@loki/config';
import { formatGoDuration, formatPrometheusDuration } from '@loki/go';
import { printSelector } from '@loki/logql';
import type { Expr, LogExpr, MetricExpr, RangeAggExpr } from '@loki/logql';
import { fnv1Hash32, nsPerMs } from '@loki/model';
import type { LokiError } from '@loki/model';
import { compileRegex } from '@loki/regex';
import { byteText } from './byte-text.ts';
import { badRequest } from './params.ts';
import type { TimeRange } from './params.ts';

/** Refuses a time range longer than the tenant's limit; 0 means no limit. */
export function checkQueryLength(range: TimeRange, limits: Limits): void {
  if (limits.maxQueryLengthMs <= 0) return;
  const lengthNs = range.endNs - range.startNs;
  const limitNs = BigInt(limits.maxQueryLengthMs) * nsPerMs;
  if (lengthNs > limitNs) {
    throw badRequest(
      `the query time range exceeds the limit (query length: ${formatGoDuration(lengthNs)}, limit: ${formatPrometheusDuration(limitNs)})`,
    );
  }
}

/**
 * Refuses a range that ends before it begins, with Loki's text for labels and label values.
 */
export function checkLabelRange({ startNs, endNs }: TimeRange, limits: Limits): void {
  if (endNs >= startNs) return;
  const lookback = formatPrometheusDuration(BigInt(limits.maxQueryLookbackMs) * nsPerMs);
  throw badRequest(`this data is no longer available, it is past now - max_query_lookback (${lookback})`);
}

/** Moves the start to max_query_lookback at the earliest; undefined if the whole range is older. */
export function clampLookback(range: TimeRange, limits: Limits, nowNs: bigint): TimeRange | undefined {
  if (limits.maxQueryLookbackMs <= 0) return range;
  const oldestNs = nowNs - BigInt(limits.maxQueryLookbackMs) * nsPerMs;
  if (range.endNs < oldestNs) return undefined;
  return range.startNs < oldestNs ? { startNs: oldestNs, endNs: range.endNs } : range;
}

export function checkEntriesLimit(limit: number, limits: Limits): void {
  const max = limits.maxEntriesLimitPerQuery;
  if (max > 0 && limit > max) {
    throw badRequest(
      `max entries limit per query exceeded, limit > max_entries_limit_per_query (${limit} > ${max})`,
    );
  }
}

/** Refuses queries in `blocked_queries`. */
export function checkBlocked(expr: Expr, text: string, limits: Limits, tags = ''): void {
  if (isBlocked(expr, text, limits, tags)) throw badRequest('query blocked by policy');
}

/**
 * Refuses selectors without the required labels. For range queries only, as in Loki: existing alerts and
 * panels depend on that.
 */
export function checkSelectors(expr: Expr, limits: Limits): void {
  for (const log of logExpressions(expr)) checkSelector(log, limits);
}

/** Refuses a `[range]` wider than the tenant's limit; 0 means no limit. */
export function checkRanges(expr: Expr, limits: Limits): void {
  if (limits.maxQueryRangeMs <= 0) return;
  const limitNs = BigInt(limits.maxQueryRangeMs) * nsPerMs;
  for (const rangeNs of ranges(expr)) {
    if (rangeNs > limitNs) {
      throw badRequest(
        `[interval] value exceeds limit: [${formatPrometheusDuration(rangeNs)}] > [${formatPrometheusDuration(limitNs)}]`,
      );
    }
  }
}

/** Refuses a query over more bytes than the tenant may read at once. */
export function tooManyBytes(bytes: number, limit: number): LokiError {
  return badRequest(
    `the query would read too many bytes (query: ${byteText(bytes)}, limit: ${byteText(limit)}); ${narrowText}`,
  );
}

/** Refuses a part that would read more bytes than one querier may. */
export function tooLargeForQuerier(bytes: number, limit: number, isShard: boolean): LokiError {
  const subject = isShard ? 'shard query is' : 'un-shardable query';
  return badRequest(
    `${subject} too large to execute on a single querier: (query: ${byteText(bytes)}, limit: ${byteText(limit)}); ${narrowText}`,
  );
}

const narrowText = 'consider adding more specific stream selectors or reduce the time range of the query';

function checkSelector(log: LogExpr, limits: Limits): void {
  const { matchers } = log;
  if (limits.maxStreamsMatchersPerQuery > 0 && matchers.length > limits.maxStreamsMatchersPerQuery) {
    throw badRequest(
      `max streams matchers per query exceeded, matchers-count > limit (${matchers.length} > ${limits.maxStreamsMatchersPerQuery})`,
    );
  }
  const names = [...new Set(matchers.map((matcher) => matcher.name))];
  const missing = limits.requiredLabels.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw badRequest(
      `stream selector is missing required matchers [${missing.join(', ')}], labels present in the query were [${names.join(', ')}]`,
    );
  }
  if (names.length < limits.minimumLabelsNumber) {
    throw badRequest(
      `stream selector has less label matchers than required: (present: [${names.join(', ')}], number_present: ${names.length}, required_number_label_matchers: ${limits.minimumLabelsNumber})`,
    );
  }
}

/**
 * True if `blocked_queries` has the query: by exact text, regular expression or hash, optionally for some
 * kinds and tags only.
 */
function isBlocked(expr: Expr, text: string, limits: Limits, tags: string): boolean {
  const trimmed = text.trim();
  const tagged = parseTags(tags);
  return limits.blockedQueries.some((rule) => {
    if (rule.types.length > 0 && !rule.types.includes(kindOf(expr))) return false;
    if (![...rule.tags].every(([name, value]) => tagged.get(name.toLowerCase()) === value)) return false;
    if (rule.hash !== 0) return rule.hash === fnv1Hash32(trimmed);
    if (rule.pattern === '') return true;
    return rule.regex ? compileRegex(rule.pattern).test(trimmed) : rule.pattern.trim() === trimmed;
  });
}

/**
 * `X-Query-Tags`: pairs `name=value` separated by commas, names in any case; odd characters are replaced as
 * in Loki's logs.
 */
export function parseTags(text: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const pair of text.replace(/[^a-zA-Z0-9\-=.@, ]/g, '_').split(',')) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, Math.max(0, at)).trim().toLowerCase();
    if (name !== '') tags.set(name, pair.slice(at + 1).trim());
  }
  return tags;
}

/** Loki's kind of a query; `limited` is a log query without filters, which its limit ends early. */
export function kindOf(expr: Expr): 'metric' | 'filter' | 'limited' {
  if (expr.kind !== 'log') return 'metric';
  return expr.stages.length > 0 ? 'filter' : 'limited';
}

/** Streams of one selector with the time range that the query reads. */
export interface SelectedStreams extends TimeRange {
  readonly selector: string;
}

/** The selectors of a query, each with the time range that it reads. */
export function selectionsOf(expr: Expr, { startNs, endNs }: TimeRange): SelectedStreams[] {
  if (expr.kind === 'log') return [{ selector: printSelector(expr.matchers), startNs, endNs }];
  return [...rangeAggregations(expr)].map(({ log, rangeNs, offsetNs }) => ({
    selector: printSelector(log.matchers),
    startNs: startNs - offsetNs - rangeNs,
    endNs: endNs - offsetNs + 1n,
  }));
}

function* logExpressions(expr: Expr): Generator<LogExpr> {
  if (expr.kind === 'log') yield expr;
  else for (const leaf of rangeAggregations(expr)) yield leaf.log;
}

function* ranges(expr: Expr): Generator<bigint> {
  if (expr.kind === 'log') return;
  for (const leaf of rangeAggregations(expr)) yield leaf.rangeNs;
}

function* rangeAggregations(expr: MetricExpr): Generator<RangeAggExpr> {
  if (expr.kind === 'rangeAgg') yield expr;
  else if (expr.kind === 'binary') {
    yield* rangeAggregations(expr.left);
    yield* rangeAggregations(expr.right);
  } else if (expr.kind === 'vectorAgg' || expr.kind === 'labelReplace') yield* rangeAggregations(expr.expr);
}
