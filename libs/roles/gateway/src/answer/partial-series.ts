/** Partial answers for Logs Drilldown when a query has too many series: step *respond* of a query. */
import { tooManySeries } from '@loki/engine';
import type { QueryResult } from '@loki/engine';
import { LokiError } from '@loki/model';

/**
 * True for Logs Drilldown, recognised by its tags: it gets the first series and a warning, others an error.
 */
export function takesPartialSeries(tags: string): boolean {
  return /(?:^|,)\s*Source=grafana-lokiexplore-app\s*(?:,|$)/i.test(tags);
}

/**
 * True if a query failed only because of its number of series. Compares texts: errors of other processes are
 * received as text.
 */
export function isForTooManySeries(error: unknown, seriesMax: number): boolean {
  return error instanceof LokiError && seriesMax > 0 && error.message === tooManySeries(seriesMax).message;
}

export function firstSeries(result: QueryResult, seriesMax: number): QueryResult {
  if (result.type === 'matrix') return { ...result, series: result.series.slice(0, seriesMax) };
  if (result.type === 'vector') return { ...result, samples: result.samples.slice(0, seriesMax) };
  return result;
}

export function partialWarning(seriesMax: number): string {
  return `maximum number of series (${seriesMax}) reached for a single query; returning partial results`;
}
