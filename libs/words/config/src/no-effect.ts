/**
 * Reasons why keys of Loki have no effect here, by path. A path covers everything below it; the longest
 * matching path decides. The table does not decide whether a key has an effect: a key that nothing has read
 * has none.
 */
export const reasons: ReadonlyMap<string, string> = new Map([
  ...each(['frontend.downstream_url'], 'queriers fetch their work from the frontend'),
  ...each(
    ['frontend.tail_proxy_url', 'frontend.tail_tls_config'],
    'tails go to the queriers that fetch work from the frontend',
  ),
  ...each(
    [
      'frontend.scheduler_address',
      'frontend.scheduler_dns_lookup_period',
      'frontend.scheduler_worker_concurrency',
      'frontend.grpc_client_config',
      'frontend.instance_interface_names',
      'frontend.instance_enable_ipv6',
      'query_scheduler.grpc_client_config',
      'query_scheduler.use_scheduler_ring',
      'query_scheduler.scheduler_ring',
    ],
    'scheduler and query frontend are one process here',
  ),
  ...each(['frontend.encoding'], 'processes speak one encoding'),
  ...each(['frontend.support_parquet_encoding'], 'answers are JSON'),
  ...each(['frontend.graceful_shutdown_timeout'], 'server.graceful_shutdown_timeout is for all requests'),
  ...each(
    ['frontend.querier_forget_delay', 'query_scheduler.querier_forget_delay'],
    'a tenant’s queriers are chosen again as soon as one disconnects',
  ),
  ...each(['frontend_worker.id'], 'a querier is identified by its connection'),
  ...each(['querier.extra_query_delay'], 'one owner answers for each partition'),
  ...each(['querier.engine.max_look_back_period'], 'log queries have a range'),
  ...each(['querier.engine.max_count_min_sketch_heap_size'], 'approx_topk is exact'),
  ...each(['querier.query_partition_ingesters'], 'every query reads from the owners of partitions'),
  ...each(
    ['query_range.instant_metric_query_split_align'],
    'parts always begin and end at multiples of the interval',
  ),
  ...each(
    [
      'query_range.results_cache.compression',
      'query_range.instant_metric_results_cache.compression',
      'query_range.label_results_cache.compression',
      'query_range.series_results_cache.compression',
      'query_range.index_stats_results_cache.compression',
      'query_range.volume_results_cache.compression',
    ],
    'answers are kept in a compact form of their own',
  ),
  ...each(
    ['chunk_store_config'],
    'each process keeps decoded blocks in memory: worker_pool.block_cache_size',
  ),
  ...each(
    [
      'index_gateway',
      'limits_config.index_gateway_shard_size',
      'limits_config.index_gateway_max_capacity',
      'limits_config.query_ready_index_num_days',
      'limits_config.tsdb_precompute_chunks',
      'storage_config.tsdb_shipper',
    ],
    'there is no index apart from the segments',
  ),
  ...each(['storage_config.hedging'], 'requests to the store are not doubled'),
  ...each(['limits_config.max_chunks_per_query'], 'use limits_config.max_query_bytes_read'),
  ...each(['limits_config.cardinality_limit'], 'use limits_config.max_query_memory'),
  ...each(
    [
      'limits_config.engine_results_cache_time_bucket_interval',
      'limits_config.debug_engine_tasks',
      'limits_config.debug_engine_streams',
      'limits_config.dataobj_index_compaction_enabled',
      'limits_config.dataobj_log_compaction_enabled',
      'dataobj',
      'query_engine',
    ],
    'that engine and its storage are not here',
  ),
  ...each(
    [
      'limits_config.bloom_gateway_enable_filtering',
      'limits_config.bloom_build_max_builders',
      'limits_config.bloom_build_task_max_retries',
      'limits_config.bloom_build_builder_response_timeout',
      'limits_config.bloom_creation_enabled',
      'limits_config.bloom_planning_strategy',
      'limits_config.bloom_split_series_keyspace_by',
      'limits_config.bloom_task_target_series_chunk_size',
      'limits_config.bloom_block_encoding',
      'limits_config.bloom_prefetch_blocks',
      'limits_config.bloom_max_block_size',
      'limits_config.bloom_max_bloom_size',
      'bloom_build',
      'bloom_gateway',
      'storage_config.bloom_shipper',
    ],
    'search filters are built by the compactor, without settings',
  ),
  ...each(
    [
      'limits_config.shard_streams.time_sharding_enabled',
      'limits_config.shard_streams.time_sharding_ignore_recent',
    ],
    'late entries are stored like others, in any order within the limits',
  ),
  ...each(['limits_config.shard_streams.logging_enabled'], 'each step of a stream is logged once'),
  ...each(['limits_config.use_owned_stream_count'], 'each stream is counted once for all ingesters'),
  ...each(
    [
      'limits_config.pattern_ingester_tokenizable_json_fields_default',
      'limits_config.pattern_ingester_tokenizable_json_fields_append',
      'limits_config.pattern_ingester_tokenizable_json_fields_delete',
      'limits_config.pattern_persistence_enabled',
      'limits_config.pattern_persistence_granularity',
      'limits_config.pattern_rate_threshold',
    ],
    'patterns are those of the lines that came lately, and are not stored',
  ),
  ...each(['limits_config.metric_aggregation_enabled'], 'volumes are read from the segments'),
  ...each(
    [
      'limits_config.s3_sse_type',
      'limits_config.s3_sse_kms_key_id',
      'limits_config.s3_sse_kms_encryption_context',
    ],
    'the bucket’s own setting encrypts objects',
  ),
  ...each(['limits_config.simulated_push_latency'], 'nothing is simulated'),
  ...each(
    ['ingest_limits', 'ingest_limits_frontend', 'ingest_limits_frontend_client'],
    'ingesters count streams for all distributors',
  ),
  ...each(
    [
      'ingester.chunk_target_size',
      'ingester.chunk_block_size',
      'ingester.chunk_encoding',
      'ingester.chunk_retain_period',
      'ingester.wal',
    ],
    'heads are kept and flushed in a form of their own, and the write log is there after a crash',
  ),
  ...each(['compactor.working_directory'], 'compaction keeps nothing on disk'),
  ...each(['internal_server'], 'server.admin_listen_port serves operators on a port of their own'),
  ...each(['analytics'], 'nothing is reported to anybody'),
  ...each(['profiling'], 'they are Go’s profiles'),
  ...each(['memberlist'], 'rings are not gossiped; join_members names the processes that store them'),
]);

function each(paths: readonly string[], reason: string): [string, string][] {
  return paths.map((path) => [path, reason]);
}

/** The keys with their reasons, grouped by reason: `a, b (reason); c`. */
export function withReasons(
  paths: readonly string[],
  reasonFor: (path: string) => string = reasonOf,
): string {
  const byReason = new Map<string, string[]>();
  for (const path of paths) {
    const reason = reasonFor(path);
    const group = byReason.get(reason);
    if (group) group.push(path);
    else byReason.set(reason, [path]);
  }
  return [...byReason]
    .map(([reason, group]) => (reason === '' ? group.join(', ') : `${group.join(', ')} (${reason})`))
    .join('; ');
}

/** The reason why this key has no effect here; '' : no reason is listed. */
export function reasonOf(path: string): string {
  for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
    const reason = reasons.get(path.slice(0, end));
    if (reason !== undefined) return reason;
  }
  return '';
}
