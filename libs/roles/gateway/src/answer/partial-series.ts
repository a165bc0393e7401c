import { tooManySeries } from '@loki/engine';
import type { QueryResult } from '@loki/engine';
import { LokiError } from '@loki/model';

/** Logs Drilldown, by its tags, takes the first series and a warning where others get an error. */
export function takesPartialSeries(tags: string): boolean {
  return /(?:^|,)\s*Source=grafana-lokiexplore-app\s*(?:,|$)/i.test(tags);
}

/**
 * Whether it was the number of series alone that a query failed for. Errors of other processes come as text.
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
