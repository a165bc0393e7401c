/** Keys of older versions of Loki, and the keys that replace them. */

/** Files of older versions have one client here. It becomes the client named `default`. */
export const remoteWriteClient = 'ruler.remote_write.client';

/**
 * Keys that newer versions dropped but existing files have, by path; a path covers everything below it. They
 * are accepted with one notice each, so that a file written for an older version still starts.
 */
export const legacyKeys: ReadonlyMap<string, string> = new Map([
  ['storage_config.boltdb_shipper', 'the boltdb-shipper index is gone'],
  ['storage_config.boltdb', 'the boltdb index is gone'],
  ['storage_config.aws.dynamodb', 'DynamoDB is not supported'],
  ['storage_config.bigtable', 'Bigtable is not supported'],
  ['storage_config.cassandra', 'Cassandra is not supported'],
  ['storage_config.grpc_store', 'gRPC stores are not supported'],
  ['storage_config.index_cache_validity', 'there is no index cache to configure'],
  ['storage_config.tsdb_shipper.shared_store', 'object_store of schema_config decides'],
  ['storage_config.tsdb_shipper.shared_store_key_prefix', 'object_store of schema_config decides'],
  ['storage_config.tsdb_shipper.use_boltdb_shipper_as_backup', 'the boltdb-shipper index is gone'],
  ['storage_config.tsdb_shipper.enable_postings_cache', 'there is no postings cache'],
  ['chunk_store_config.max_look_back_period', 'use limits_config.max_query_lookback'],
  [
    'chunk_store_config.write_dedupe_cache_config',
    'nothing is stored twice, so there is nothing to deduplicate',
  ],
  ['table_manager', 'use compactor.retention_enabled with limits_config.retention_period'],
  ['limits_config.enforce_metric_name', 'has no meaning any more'],
  ['limits_config.unordered_writes', 'lines may always arrive out of order'],
  ['limits_config.allow_deletes', 'use limits_config.deletion_mode'],
  ['limits_config.max_query_into_future', 'has no meaning any more'],
  ['limits_config.enable_multi_variant_queries', 'several variants of one query were an experiment'],
  ['limits_config.ruler_evaluation_delay_duration', 'has no meaning any more'],
  ['limits_config.ruler_remote_write_url', 'use limits_config.ruler_remote_write_config'],
  ['limits_config.ruler_remote_write_headers', 'use limits_config.ruler_remote_write_config'],
  ['limits_config.per_tenant_override_config', 'read as runtime_config.file'],
  ['limits_config.per_tenant_override_period', 'read as runtime_config.period'],
  ['compactor.shared_store', 'read as compactor.delete_request_store'],
  ['compactor.shared_store_key_prefix', 'read as compactor.delete_request_store_key_prefix'],
  ['compactor.deletion_mode', 'read as limits_config.deletion_mode'],
  ['ingester.max_transfer_retries', 'the write log makes hand-over unnecessary'],
  ['ingester.chunk_store_config', 'use limits_config.max_query_lookback'],
  ['query_range.split_queries_by_interval', 'read as limits_config.split_queries_by_interval'],
  ['query_range.max_concurrent', 'has no meaning any more'],
  ['querier.query_timeout', 'read as limits_config.query_timeout'],
  ['querier.engine.timeout', 'read as limits_config.query_timeout'],
  ['frontend_worker.parallelism', 'use querier.max_concurrent'],
  ['frontend_worker.match_max_concurrent', 'use querier.max_concurrent'],
  [remoteWriteClient, 'read as one entry of ruler.remote_write.clients'],
  ['storage_config.index_queries_cache_config', 'there is no index cache to configure'],
  ['bloom_gateway.ring', 'search filters need no gateway'],
  ['bloom_compactor', 'search filters are built by the compactor, without settings'],
]);

/** The key of the schema that takes the value of a dropped key, if there is one. */
export const legacyTargets: ReadonlyMap<string, string> = new Map([
  ['limits_config.per_tenant_override_config', 'runtime_config.file'],
  ['limits_config.per_tenant_override_period', 'runtime_config.period'],
  ['compactor.shared_store', 'compactor.delete_request_store'],
  ['compactor.shared_store_key_prefix', 'compactor.delete_request_store_key_prefix'],
  ['compactor.deletion_mode', 'limits_config.deletion_mode'],
  ['query_range.split_queries_by_interval', 'limits_config.split_queries_by_interval'],
  ['querier.query_timeout', 'limits_config.query_timeout'],
  ['querier.engine.timeout', 'limits_config.query_timeout'],
]);
