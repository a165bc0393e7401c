/**
 * Protects: the names that operators of Loki grep for are all there, and nothing that a client sends breaks
 * a line.
 */
import { parseExpr } from '@loki/logql';
import { emptyLeafStats } from '@loki/ports';
import type { LogFields, Logger } from '@loki/ports';
import type { Answer } from '../frontend/frontend-options.ts';
import {
  clock,
  getRequest,
  logResult,
  nowNs,
  tenancyOf,
  testFrontend,
  TestQuerier,
} from '../test/gateway.ts';
import { MetadataApi } from './metadata-api.ts';
import { reportQuery } from './query-log.ts';

let lines: LogFields[];
const logger: Logger = {
  debug() {},
  info: (_, fields = {}) => void lines.push(fields),
  warn() {},
  error() {},
  child: () => logger,
};
beforeEach(() => (lines = []));

/** As documented for Loki. */
const fields =
  'org_id latency query query_hash query_type range_type length start_delta end_delta step duration status limit returned_lines throughput total_bytes total_bytes_structured_metadata lines_per_second total_lines post_filter_lines total_entries store_chunks_download_time queue_time splits shards query_referenced_structured_metadata pipeline_wrapper_filtered_lines chunk_refs_fetch_time cache_chunk_req cache_chunk_hit cache_chunk_bytes_stored cache_chunk_bytes_fetched cache_chunk_download_time cache_index_req cache_stats_results_req cache_volume_results_req cache_result_req cache_label_results_req cache_series_results_req cache_instant_metric_results_req ingester_chunk_refs ingester_chunk_downloaded ingester_chunk_matches ingester_requests ingester_recv_wait_time querier_exec_time user_agent approx_result_size result_streams_count result_lines_count ingester_chunk_head_bytes ingester_chunk_compressed_bytes ingester_chunk_decompressed_bytes ingester_post_filter_lines congestion_control_latency index_total_chunks index_post_bloom_filter_chunks index_bloom_filter_ratio index_used_bloom_filters index_shard_resolver_duration source has_labelfilter_before_parser disable_pipeline_wrappers';

function report(query: string, more: Partial<Answer> = {}): LogFields {
  const rows = logResult([{ ts: 1n, line: 'x', stream: { a: 'b' } }]);
  const answer = {
    result: { type: 'streams', rows },
    stats: { ...emptyLeafStats(), cacheEntriesRequested: 3, cacheEntriesFound: 2 },
    leaves: 1,
    execSeconds: 0.25,
    queueSeconds: 0,
    splits: 4,
    parts: 8,
    isSharded: true,
    ...more,
  } as Answer;
  const queryReport = {
    tenancy: tenancyOf('a', 'b'),
    text: query,
    expr: parseExpr(query),
    startNs: nowNs - 60_000_000_000n,
    endNs: nowNs,
    stepNs: 1_000_000_000n,
    limit: 7,
    isInstant: false,
    tags: 'Source=grafana,Feature=x y\n',
    userAgent: 'agent/1\r\nlevel=error',
    disablesWrappers: true,
  };
  reportQuery(queryReport, answer, { logger, nowNs });
  return lines[0];
}

test('a query has every field', () => {
  const line = report('{a="b"} | level="x" | json');
  expect(fields.split(' ').filter((name) => line[name] === undefined)).toEqual([]);
  expect(line).toMatchObject({
    org_id: 'a|b',
    query_type: 'filter',
    range_type: 'range',
    length: '1m0s',
    start_delta: '1m0s',
    end_delta: '0s',
    duration: '250ms',
    splits: 4,
    shards: 8,
    source: 'grafana',
    user_agent: 'agent/1__level=error',
    has_labelfilter_before_parser: true,
    disable_pipeline_wrappers: true,
    cache_result_req: 3,
    cache_result_hit: 2,
    cache_instant_metric_results_req: 0,
  });
});

test('an instant query is answered from a cache of its own', () => {
  const result = { type: 'vector' as const, timeNs: 0n, samples: [{ labels: [], value: 1 }] };
  expect(report('rate({a="b"}[1m])', { result })).toMatchObject({
    query_type: 'metric',
    total_entries: 1,
    cache_result_req: 0,
    cache_instant_metric_results_req: 3,
    has_labelfilter_before_parser: false,
  });
});

test('requests about streams have a line too, and so have those that fail', async () => {
  const querier = new TestQuerier();
  querier.volumes.set('a', [{ labels: [['app', 'x']], entries: 1, lineBytes: 2 }]);
  const frontend = testFrontend(querier, { maxQueryLengthMs: 3_600_000 });
  const api = new MetadataApi({ frontend, querier, clock, logger, multiTenantQueriesEnabled: false });
  await api.labels(getRequest({ query: '{app="x"}', since: '30m' }), tenancyOf('a'));
  await api.labelValues(getRequest({}, { name: 'app' }), tenancyOf('a'));
  await expect(api.series(getRequest({ match: '{app="x"}', since: '5h' }), tenancyOf('a'))).rejects.toThrow(
    'exceeds the limit',
  );
  frontend.stop();
  expect(lines).toMatchObject([
    { query_type: 'labels', query: '{app="x"}', length: '30m0s', status: 200, total_entries: 1 },
    { query_type: 'labels', query: 'app', status: 200, total_entries: 1 },
    { query_type: 'series', query: '{app="x"}', status: 400 },
  ]);
});
