/** Metrics and log line of one request about streams. */
import { formatGoDuration } from '@loki/go';
import { fnv1Hash32, LokiError } from '@loki/model';
import { tenantsText } from '@loki/ports';
import type { Clock, HttpRequest, HttpResponse, Logger, Tenancy } from '@loki/ports';
import type { QueryMetrics } from '@loki/telemetry';
import { parseTags } from '../limits/check-query-limits.ts';
import type { TimeRange } from '../limits/params.ts';
import { clean, secondsOf, slowSeconds } from './query-log.ts';

export interface MetadataLogDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly queryMetrics?: QueryMetrics;
}

/** Facts about a request, filled in while it is answered. */
export interface MetadataNote {
  /** Selector, label name or both, in Loki's form. */
  query: string;
  range?: TimeRange;
  /** Labels, values, series or streams of the answer. */
  entries: number;
}

/** Answers a request about streams, counts it and writes its line beside those of queries. */
export async function reported(
  { clock, logger, queryMetrics }: MetadataLogDeps,
  call: { readonly type: string; readonly request: HttpRequest; readonly tenancy: Tenancy },
  answer: (note: MetadataNote) => Promise<HttpResponse>,
): Promise<HttpResponse> {
  const { type, request, tenancy } = call;
  const note: MetadataNote = { query: '', entries: 0 };
  const startedMs = clock.monotonicMs();
  queryMetrics?.started();
  const report = (status: number, failure: object = {}) => {
    const seconds = (clock.monotonicMs() - startedMs) / 1000;
    const { query, range, entries } = note;
    const tenant = tenantsText(tenancy);
    queryMetrics?.answered({
      tenant,
      type,
      range: 'range',
      statusCode: String(status),
      isSharded: false,
      seconds,
      bytes: 0,
      chunks: 0,
      blocksRuledOut: 0,
      fetchSeconds: 0,
      headLines: 0,
      splits: 0,
      shards: 0,
    });
    const nowNs = clock.nowNs();
    logger.info('query', {
      caller: 'metrics.go',
      component: 'frontend',
      org_id: tenant,
      latency: seconds > slowSeconds ? 'slow' : 'fast',
      query,
      query_hash: fnv1Hash32(query),
      query_type: type,
      range_type: 'range',
      length: range ? formatGoDuration(range.endNs - range.startNs) : '0s',
      start_delta: range ? formatGoDuration(nowNs - range.startNs) : '0s',
      end_delta: range ? formatGoDuration(nowNs - range.endNs) : '0s',
      duration: secondsOf(seconds),
      status,
      total_entries: entries,
      user_agent: clean(request.headers.get('user-agent') ?? ''),
      source: parseTags(request.headers.get('x-query-tags') ?? '').get('source') ?? '',
      ...failure,
    });
  };
  try {
    const response = await answer(note);
    report(response.status);
    return response;
  } catch (error) {
    const isKnown = error instanceof LokiError;
    report(isKnown ? error.status : 500, { err: isKnown ? error.message : 'internal error' });
    throw error;
  }
}
