/** Warnings of an answer that a limit has shortened (`query_warnings_enabled`): step *respond* of a query. */
import type { Limits } from '@loki/config';
import type { QueryResult } from '@loki/engine';
import { formatPrometheusDuration } from '@loki/go';
import { nsPerMs } from '@loki/model';
import { clampLookback } from '../limits/check-query-limits.ts';
import { parseLimit, parseTimeRange } from '../limits/params.ts';
import type { Params } from '../limits/params.ts';

/**
 * Names the parts of a range query's answer that a limit may have cut off; [] unless the tenant has
 * `query_warnings_enabled`.
 */
export function cutWarnings(params: Params, result: QueryResult, limits: Limits, nowNs: bigint): string[] {
  if (!limits.queryWarningsEnabled) return [];
  const warnings: string[] = [];
  const range = parseTimeRange(params, nowNs);
  const clamped = clampLookback(range, limits, nowNs);
  if (!clamped || clamped.startNs > range.startNs) {
    const lookback = formatPrometheusDuration(BigInt(limits.maxQueryLookbackMs) * nsPerMs);
    warnings.push(`the time range was cut: queries look back ${lookback} at most (max_query_lookback)`);
  }
  if (result.type === 'streams') {
    const limit = parseLimit(params);
    if (result.rows.labelSet.length >= limit) {
      warnings.push(
        `the limit of ${limit} entries was reached: there may be more (limit; /loki/api/v1/export has none)`,
      );
    }
  }
  return warnings;
}
