/** The log line and the metrics of one query, under Loki's names. */
import type { QueryResult } from '@loki/engine';
import { formatGoDuration } from '@loki/go';
import { logExprsOf, stageTraits } from '@loki/logql';
import type { Expr } from '@loki/logql';
import { fnv1Hash32, LokiError } from '@loki/model';
import { emptyLeafStats, tenantsText } from '@loki/ports';
import type { LeafStats, LogFields, Logger, Tenancy } from '@loki/ports';
import type { QueryMetrics } from '@loki/telemetry';
import { cacheNameOf, entriesOf } from '../answer/stats.ts';
import type { Answer } from '../frontend/frontend-options.ts';
import { byteText } from '../limits/byte-text.ts';
import { kindOf, parseTags } from '../limits/check-query-limits.ts';

/** A query with its parameters and request headers. */
export interface AskedQuery {
  readonly tenancy: Tenancy;
  readonly text: string;
  readonly expr: Expr;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly stepNs: bigint;
  readonly limit: number;
  readonly isInstant: boolean;
  /** `X-Query-Tags`, unchanged. */
  readonly tags: string;
  readonly userAgent: string;
  /** `X-Loki-Disable-Pipeline-Wrappers`: only logged, as there are no wrappers here. */
  readonly disablesWrappers?: boolean;
}

/** Longer queries are logged as `slow`, as in Loki. */
export const slowSeconds = 10;

/** Counts an answered query and writes its line, under the names that operators of Loki grep for. */
export function reportQuery(
  query: AskedQuery,
  answer: Answer,
  out: { logger: Logger; metrics?: QueryMetrics; nowNs: bigint },
): void {
  if (out.metrics) countQuery(query, answer, out.metrics);
  out.logger.info('query', {
    caller: 'metrics.go',
    component: 'frontend',
    ...queryFields(query, answer, out.nowNs),
    ...costFields(answer),
    ...cacheFields(answer),
    ...resultFields(query, answer),
    ...indexFields(answer),
    source: parseTags(query.tags).get('source') ?? '',
    has_labelfilter_before_parser: filtersBeforeParser(query.expr),
    disable_pipeline_wrappers: query.disablesWrappers === true,
  });
}

function countQuery(query: AskedQuery, answer: Answer, metrics: QueryMetrics): void {
  const { stats, result } = answer;
  metrics.answered({
    tenant: tenantsText(query.tenancy),
    type: kindOf(query.expr),
    range: query.isInstant ? 'instant' : 'range',
    statusCode: '200',
    isSharded: answer.isSharded,
    seconds: answer.execSeconds,
    bytes: bytesOf(stats),
    chunks: stats.blocksMatched,
    blocksRuledOut: stats.blocksRuledOut,
    fetchSeconds: stats.fetchMs / 1000,
    headLines: stats.headLines,
    splits: answer.splits,
    shards: answer.parts,
  });
  if (result.type === 'streams' && stats.cacheEntriesRequested > 0) {
    metrics.cached(stats.cacheEntriesFound === stats.cacheEntriesRequested);
  }
}

/** Bytes that a query scanned. */
function bytesOf({ lineBytes, metadataBytes }: Answer['stats']): number {
  return lineBytes + metadataBytes;
}

/** The query: its text, type and times. */
function queryFields(query: AskedQuery, { execSeconds, result }: Answer, nowNs: bigint) {
  return {
    org_id: tenantsText(query.tenancy),
    latency: execSeconds > slowSeconds ? 'slow' : 'fast',
    query: query.text,
    query_hash: fnv1Hash32(query.text),
    query_type: kindOf(query.expr),
    range_type: query.isInstant ? 'instant' : 'range',
    length: formatGoDuration(query.endNs - query.startNs),
    start_delta: formatGoDuration(nowNs - query.startNs),
    end_delta: formatGoDuration(nowNs - query.endNs),
    step: formatGoDuration(query.stepNs),
    duration: secondsOf(execSeconds),
    status: 200,
    limit: query.limit,
    returned_lines: result.type === 'streams' ? result.rows.labelSet.length : 0,
  };
}

/**
 * The cost: bytes, lines and times. Fields of parts that this system lacks are constant, as readers of Loki
 * expect them.
 */
function costFields({ stats, execSeconds, result, queueSeconds, splits, parts }: Answer) {
  const perSecond = (value: number): number => (execSeconds > 0 ? Math.round(value / execSeconds) : 0);
  return {
    throughput: byteText(perSecond(bytesOf(stats))),
    total_bytes: byteText(bytesOf(stats)),
    total_bytes_structured_metadata: byteText(stats.metadataBytes),
    lines_per_second: perSecond(stats.linesProcessed),
    total_lines: stats.linesProcessed,
    post_filter_lines: stats.linesMatched,
    total_entries: entriesOf(result),
    store_chunks_download_time: secondsOf(stats.fetchMs / 1000),
    queue_time: secondsOf(queueSeconds),
    splits,
    shards: parts,
    query_referenced_structured_metadata: stats.metadataBytes > 0,
    pipeline_wrapper_filtered_lines: 0,
    chunk_refs_fetch_time: '0s',
  };
}

/** The result: its size, and the share of ingesters' memory in it. */
function resultFields(query: AskedQuery, { stats, execSeconds, result }: Answer) {
  return {
    ingester_chunk_refs: 0,
    ingester_chunk_downloaded: 0,
    ingester_chunk_matches: 0,
    ingester_requests: 0,
    ingester_recv_wait_time: '0s',
    querier_exec_time: secondsOf(execSeconds),
    user_agent: clean(query.userAgent),
    approx_result_size: byteText(resultBytes(result)),
    result_streams_count: result.type === 'streams' ? result.rows.labelSets.length : 0,
    result_lines_count: result.type === 'streams' ? result.rows.labelSet.length : 0,
    ingester_chunk_head_bytes: byteText(stats.headLineBytes),
    ingester_chunk_compressed_bytes: '0B',
    ingester_chunk_decompressed_bytes: '0B',
    ingester_post_filter_lines: stats.headLinesMatched,
    congestion_control_latency: '0s',
  };
}

/** The index: blocks that it named, and blocks that search filters ruled out. */
function indexFields({ stats }: Answer) {
  const chunks = stats.blocksMatched + stats.blocksSkipped;
  return {
    index_total_chunks: chunks,
    index_post_bloom_filter_chunks: stats.blocksMatched,
    index_bloom_filter_ratio: (chunks === 0 ? 0 : stats.blocksRuledOut / chunks).toFixed(2),
    index_used_bloom_filters: stats.blocksRuledOut > 0,
    index_shard_resolver_duration: '0s',
  };
}

/** Counts and logs a failed query; its cost until the failure is unknown. */
export function reportFailure(
  query: AskedQuery,
  error: unknown,
  execSeconds: number,
  out: { logger: Logger; metrics?: QueryMetrics },
): void {
  const status = error instanceof LokiError ? error.status : 500;
  const type = kindOf(query.expr);
  const range = query.isInstant ? 'instant' : 'range';
  const tenant = tenantsText(query.tenancy);
  out.metrics?.answered({
    tenant,
    type,
    range,
    statusCode: String(status),
    isSharded: false,
    seconds: execSeconds,
    bytes: 0,
    chunks: 0,
    blocksRuledOut: 0,
    fetchSeconds: 0,
    headLines: 0,
    splits: 0,
    shards: 0,
  });
  out.logger.info('query', {
    caller: 'metrics.go',
    component: 'frontend',
    org_id: tenant,
    latency: execSeconds > slowSeconds ? 'slow' : 'fast',
    query: query.text,
    query_hash: fnv1Hash32(query.text),
    query_type: type,
    range_type: range,
    length: formatGoDuration(query.endNs - query.startNs),
    step: formatGoDuration(query.stepNs),
    duration: secondsOf(execSeconds),
    status,
    err: error instanceof LokiError ? error.message : 'internal error',
  });
}

/** Approximate bytes of the answer's values and lines. */
function resultBytes(result: QueryResult): number {
  switch (result.type) {
    case 'streams':
      return result.rows.lines.length + 8 * result.rows.timestampNs.length;
    case 'matrix':
      return 16 * result.series.length * result.steps;
    case 'vector':
      return 16 * result.samples.length;
    case 'scalar':
      return 16;
  }
}

/** Entries of log queries, series of the others. */
const cacheFieldNames = {
  stats_results: 'statsResult',
  volume_results: 'volumeResult',
  result: 'result',
  label_results: 'labelResult',
  series_results: 'seriesResult',
  instant_metric_results: 'instantMetricResult',
} as const;

/**
 * Loki's fields of each cache. Cached empty intervals of log queries count as `result`, the cache that holds
 * them.
 */
function cacheFields({ stats, result }: Answer): LogFields {
  const used = cacheNameOf(result) === 'logResult' ? 'result' : cacheNameOf(result);
  const fields: Record<string, unknown> = {};
  for (const name of ['chunk', 'index']) Object.assign(fields, oneCache(name, emptyLeafStats()));
  for (const [name, cache] of Object.entries(cacheFieldNames)) {
    Object.assign(fields, oneCache(name, cache === used ? stats : emptyLeafStats()));
  }
  return fields;
}

function oneCache(name: string, stats: LeafStats): LogFields {
  return {
    [`cache_${name}_req`]: stats.cacheEntriesRequested,
    [`cache_${name}_hit`]: stats.cacheEntriesFound,
    [`cache_${name}_bytes_stored`]: stats.cacheBytesSent,
    [`cache_${name}_bytes_fetched`]: stats.cacheBytesReceived,
    [`cache_${name}_download_time`]: secondsOf(stats.cacheMs / 1000),
  };
}

/**
 * True if the query has a label filter before any parser: the index or structured metadata can answer it.
 */
function filtersBeforeParser(expr: Expr): boolean {
  return logExprsOf(expr).some(({ stages }) => {
    const parser = stages.findIndex(({ kind }) => stageTraits[kind].isParser);
    return stages.slice(0, Math.max(0, parser)).some(({ kind }) => kind === 'labelFilter');
  });
}

/** Sanitises text of a client: no line breaks, bounded length. */
export function clean(text: string): string {
  return text.slice(0, 200).replace(/[^\x20-\x7e]/g, '_');
}

export function secondsOf(value: number): string {
  return formatGoDuration(BigInt(Math.round(value * 1e9)));
}
