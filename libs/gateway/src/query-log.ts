import { fnv1Hash32, formatGoDuration, LokiError } from '@loki/model';
import type { Expr } from '@loki/logql';
import type { Logger, Tenancy } from '@loki/ports';
import type { QueryMetrics } from '@loki/telemetry';
import { kindOf } from './check-limits.ts';
import type { Answer } from './frontend.ts';

/** A query as it was asked. */
export interface AskedQuery {
  readonly tenancy: Tenancy;
  readonly text: string;
  readonly expr: Expr;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly stepNs: bigint;
  readonly limit: number;
  readonly isInstant: boolean;
  /** `X-Query-Tags`, as it came. */
  readonly tags: string;
}

/** Queries that take longer are `slow`, as Loki sorts them. */
const slowSeconds = 10;

/** Counts an answered query and writes its line, under the names that operators of Loki grep for. */
export function reportQuery(
  asked: AskedQuery,
  answer: Answer,
  out: { logger: Logger; metrics?: QueryMetrics; nowNs: bigint },
): void {
  const { stats, execSeconds, result } = answer;
  const bytes = stats.lineBytes + stats.metadataBytes;
  const type = kindOf(asked.expr);
  const range = asked.isInstant ? 'instant' : 'range';
  out.metrics?.answered({
    tenant: asked.tenancy.ids.join('|'),
    type,
    range,
    statusCode: '200',
    isSharded: false,
    seconds: execSeconds,
    bytes,
    chunks: stats.blocksMatched,
    fetchSeconds: stats.fetchMs / 1000,
    headLines: stats.headLines,
    splits: 0,
    shards: answer.leaves,
  });
  const perSecond = (value: number): number => (execSeconds > 0 ? Math.round(value / execSeconds) : 0);
  out.logger.info('query', {
    caller: 'metrics.go',
    component: 'frontend',
    org_id: asked.tenancy.ids.join('|'),
    latency: execSeconds > slowSeconds ? 'slow' : 'fast',
    query: asked.text,
    query_hash: fnv1Hash32(asked.text),
    query_type: type,
    range_type: range,
    length: formatGoDuration(asked.endNs - asked.startNs),
    start_delta: formatGoDuration(out.nowNs - asked.startNs),
    end_delta: formatGoDuration(out.nowNs - asked.endNs),
    step: formatGoDuration(asked.stepNs),
    duration: seconds(execSeconds),
    status: 200,
    limit: asked.limit,
    returned_lines: result.type === 'streams' ? result.rows.labelSet.length : 0,
    throughput: byteText(perSecond(bytes)),
    total_bytes: byteText(bytes),
    total_bytes_structured_metadata: byteText(stats.metadataBytes),
    lines_per_second: perSecond(stats.linesProcessed),
    total_lines: stats.linesProcessed,
    post_filter_lines: stats.linesMatched,
    total_entries: result.type === 'streams' ? result.rows.labelSet.length : 0,
    store_chunks_download_time: seconds(stats.fetchMs / 1000),
    queue_time: seconds(answer.queueSeconds),
    splits: 0,
    shards: answer.leaves,
    ingester_chunk_head_bytes: byteText(stats.headLineBytes),
    index_total_chunks: stats.blocksMatched + stats.blocksSkipped,
    source: /(?:^|,)\s*Source=([^,]*)/i.exec(asked.tags)?.[1].replace(/[^a-zA-Z0-9\-=.@, ]/g, '_') ?? '',
  });
}

/** The same for a query that failed: what it cost until then is not known. */
export function reportFailure(
  asked: AskedQuery,
  error: unknown,
  execSeconds: number,
  out: { logger: Logger; metrics?: QueryMetrics },
): void {
  const status = error instanceof LokiError ? error.status : 500;
  const type = kindOf(asked.expr);
  const range = asked.isInstant ? 'instant' : 'range';
  const tenant = asked.tenancy.ids.join('|');
  out.metrics?.answered({
    tenant,
    type,
    range,
    statusCode: String(status),
    isSharded: false,
    seconds: execSeconds,
    bytes: 0,
    chunks: 0,
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
    query: asked.text,
    query_hash: fnv1Hash32(asked.text),
    query_type: type,
    range_type: range,
    length: formatGoDuration(asked.endNs - asked.startNs),
    step: formatGoDuration(asked.stepNs),
    duration: seconds(execSeconds),
    status,
    err: error instanceof LokiError ? error.message : 'internal error',
  });
}

function seconds(value: number): string {
  return formatGoDuration(BigInt(Math.round(value * 1e9)));
}

const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Decimal units with two digits, as Loki's log lines have them: `1.5MB`. */
function byteText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < byteUnits.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value < 10 ? value.toFixed(1) : Math.round(value)}${byteUnits[unit]}`;
}
