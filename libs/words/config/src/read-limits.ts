/** Builds the typed limits of a tenant from configuration values. */
import { mib } from '@loki/model';
import { LimitReader, prefix } from './limit-reader.ts';
import type { LimitContext } from './limit-reader.ts';
import type { Limits } from './limits.ts';
import type { SettingValue } from './scalars.ts';
import { schema } from './schema.ts';

/**
 * Typed limits from values by key path below `limits_config`; absent keys have their defaults.
 *
 * @throws ConfigError for an invalid value
 */
export function buildLimits(values: ReadonlyMap<string, SettingValue>, context: LimitContext): Limits {
  return limitsFrom(new LimitReader(values, context.checks), context);
}

function limitsFrom(read: LimitReader, context: LimitContext): Limits {
  return {
    ingestionRateStrategy: read.oneOf('ingestion_rate_strategy', ['global', 'local']),
    ingestionRateBytes: read.number('ingestion_rate_mb') * mib,
    ingestionBurstBytes: Math.floor(read.number('ingestion_burst_size_mb') * mib),
    maxLabelNameLength: read.number('max_label_name_length'),
    maxLabelValueLength: read.number('max_label_value_length'),
    maxLabelNamesPerSeries: read.number('max_label_names_per_series'),
    rejectOldSamples: read.flag('reject_old_samples'),
    rejectOldSamplesMaxAgeMs: read.ms('reject_old_samples_max_age'),
    creationGracePeriodMs: read.ms('creation_grace_period'),
    maxLineSizeBytes: read.number('max_line_size'),
    maxLineSizeTruncate: read.flag('max_line_size_truncate'),
    maxLineSizeTruncateIdentifier: read.text('max_line_size_truncate_identifier'),
    incrementDuplicateTimestamp: read.flag('increment_duplicate_timestamp'),
    discoverServiceName: read.list('discover_service_name'),
    discoverLogLevels: read.flag('discover_log_levels'),
    logLevelFields: read.list('log_level_fields'),
    logLevelFromJsonMaxDepth: read.number('log_level_from_json_max_depth'),
    discoverGenericFields: read.listMap('discover_generic_fields.fields'),
    maxStreamsPerUser: read.number('max_streams_per_user'),
    maxGlobalStreamsPerUser: read.number('max_global_streams_per_user'),
    perStreamRateLimitBytes: read.number('per_stream_rate_limit'),
    perStreamRateLimitBurstBytes: read.number('per_stream_rate_limit_burst'),
    shardStreams: {
      enabled: read.flag('shard_streams.enabled'),
      desiredRateBytes: read.number('shard_streams.desired_rate'),
    },
    allowStructuredMetadata: read.flag('allow_structured_metadata'),
    maxStructuredMetadataSizeBytes: read.number('max_structured_metadata_size'),
    maxStructuredMetadataEntriesCount: read.number('max_structured_metadata_entries_count'),
    otlp: {
      resourceAttributes: {
        ignoreDefaults: read.flag('otlp_config.resource_attributes.ignore_defaults'),
        attributesConfig: read.attributes('otlp_config.resource_attributes.attributes_config'),
      },
      scopeAttributes: read.attributes('otlp_config.scope_attributes'),
      logAttributes: read.attributes('otlp_config.log_attributes'),
      severityTextAsLabel: read.flag('otlp_config.severity_text_as_label'),
    },
    blockIngestionUntilMs: read.number('block_ingestion_until'),
    blockIngestionStatusCode: read.number('block_ingestion_status_code'),
    enforcedLabels: read.list('enforced_labels'),
    policyStreamMapping: read.policies('policy_stream_mapping'),
    policyEnforcedLabels: read.listMap('policy_enforced_labels'),
    blockIngestionPolicyUntilMs: read.times('block_ingestion_policy_until'),
    ingestionPartitionsTenantShardSize: read.number('ingestion_partitions_tenant_shard_size'),
    maxReturnedStreamErrors: context.maxReturnedStreamErrors,

    maxQuerySeries: read.number('max_query_series'),
    maxQueryMemoryBytes: read.number('max_query_memory'),
    queryWarningsEnabled: read.flag('query_warnings_enabled'),
    maxQueryLookbackMs: read.ms('max_query_lookback'),
    maxQueryLengthMs: read.ms('max_query_length'),
    maxQueryRangeMs: read.ms('max_query_range'),
    maxQueryParallelism: read.number('max_query_parallelism'),
    tsdbMaxQueryParallelism: read.number('tsdb_max_query_parallelism'),
    tsdbMaxBytesPerShard: read.number('tsdb_max_bytes_per_shard'),
    tsdbShardingStrategy: read.oneOf('tsdb_sharding_strategy', ['power_of_two', 'bounded']),
    minShardingLookbackMs: read.ms('min_sharding_lookback'),
    maxQueriersPerTenant: read.number('max_queriers_per_tenant'),
    maxQueryCapacity: read.number('max_query_capacity'),
    maxStreamsMatchersPerQuery: read.number('max_streams_matchers_per_query'),
    maxConcurrentTailRequests: read.number('max_concurrent_tail_requests'),
    maxEntriesLimitPerQuery: read.number('max_entries_limit_per_query'),
    queryTimeoutMs: read.ms('query_timeout'),
    maxQueryBytesRead: read.number('max_query_bytes_read'),
    maxQuerierBytesRead: read.number('max_querier_bytes_read'),
    maxCacheFreshnessMs: read.ms('max_cache_freshness_per_query'),
    maxMetadataCacheFreshnessMs: read.ms('max_metadata_cache_freshness'),
    maxStatsCacheFreshnessMs: read.ms('max_stats_cache_freshness'),
    splitQueriesByIntervalMs: read.ms('split_queries_by_interval'),
    splitInstantMetricQueriesByIntervalMs: read.ms('split_instant_metric_queries_by_interval'),
    splitIngesterQueriesByIntervalMs: read.ms('split_ingester_queries_by_interval'),
    splitMetadataQueriesByIntervalMs: read.ms('split_metadata_queries_by_interval'),
    splitRecentMetadataQueriesByIntervalMs: read.ms('split_recent_metadata_queries_by_interval'),
    recentMetadataQueryWindowMs: read.ms('recent_metadata_query_window'),
    requiredLabels: read.list('required_labels'),
    minimumLabelsNumber: read.number('minimum_labels_number'),
    blockedQueries: read.blockedQueries('blocked_queries'),
    volumeEnabled: read.flag('volume_enabled'),
    volumeMaxSeries: read.number('volume_max_series'),
    shardAggregations: [...(context.shardAggregations ?? []), ...read.list('shard_aggregations')],

    retentionPeriodMs: read.retention('retention_period'),
    retentionStreams: read.retentionStreams('retention_stream'),
    deletionMode: read.oneOf('deletion_mode', ['disabled', 'filter-only', 'filter-and-delete']),
    rulerMaxRulesPerRuleGroup: read.number('ruler_max_rules_per_rule_group'),
    rulerMaxRuleGroupsPerTenant: read.number('ruler_max_rule_groups_per_tenant'),
    rulerTenantShardSize: read.number('ruler_tenant_shard_size'),
    rulerRemoteEvaluationTimeoutMs: read.ms('ruler_remote_evaluation_timeout'),
    rulerRemoteEvaluationBytesMax: read.number('ruler_remote_evaluation_max_response_size'),
    rulerRemoteWriteDisabled: read.flag('ruler_remote_write_disabled') === true,
    rulerRemoteWriteConfig: read.raw('ruler_remote_write_config'),
  };
}

/** Keys of `limits_config` in the order of the table, with their kinds. */
export function limitKeys(): readonly string[] {
  const keys: string[] = [];
  for (const path of schema().byPath.keys()) {
    if (path.startsWith(prefix)) keys.push(path.slice(prefix.length));
  }
  return keys;
}

let keysRead: ReadonlySet<string> | undefined;

/** Keys of `limits_config` that limits use; others are accepted without effect. */
export function limitKeysRead(): ReadonlySet<string> {
  if (!keysRead) {
    const read = new LimitReader(new Map());
    limitsFrom(read, { maxReturnedStreamErrors: 0 });
    keysRead = read.keys;
  }
  return keysRead;
}
