/**
 * Per-tenant limits: Loki's `limits_config`, in our units. The YAML names, flags and defaults stand in the
 * table of limit keys; meanings and breach texts are those of Loki's documentation.
 */
export interface Limits {
  // ---- ingest
  /** `global`: the rate is divided by the number of healthy distributors. */
  readonly ingestionRateStrategy: 'global' | 'local';
  readonly ingestionRateBytes: number;
  readonly ingestionBurstBytes: number;
  readonly maxLabelNameLength: number;
  readonly maxLabelValueLength: number;
  readonly maxLabelNamesPerSeries: number;
  readonly rejectOldSamples: boolean;
  readonly rejectOldSamplesMaxAgeMs: number;
  readonly creationGracePeriodMs: number;
  /** 0: no limit. */
  readonly maxLineSizeBytes: number;
  readonly maxLineSizeTruncate: boolean;
  readonly maxLineSizeTruncateIdentifier: string;
  readonly incrementDuplicateTimestamp: boolean;
  readonly discoverServiceName: readonly string[];
  readonly discoverLogLevels: boolean;
  readonly logLevelFields: readonly string[];
  readonly logLevelFromJsonMaxDepth: number;
  readonly discoverGenericFields: ReadonlyMap<string, readonly string[]>;
  readonly maxStreamsPerUser: number;
  readonly maxGlobalStreamsPerUser: number;
  readonly perStreamRateLimitBytes: number;
  readonly perStreamRateLimitBurstBytes: number;
  readonly shardStreams: ShardStreamsConfig;
  readonly allowStructuredMetadata: boolean;
  readonly maxStructuredMetadataSizeBytes: number;
  readonly maxStructuredMetadataEntriesCount: number;
  readonly otlp: OtlpConfig;
  /** Unix ms; 0: not blocked. */
  readonly blockIngestionUntilMs: number;
  readonly blockIngestionStatusCode: number;
  readonly enforcedLabels: readonly string[];
  /** Names the policy of a stream: of all that match the one of the highest priority. */
  readonly policyStreamMapping: readonly PolicySelector[];
  /** By policy, besides `enforcedLabels`; those of `*` hold for all streams. */
  readonly policyEnforcedLabels: ReadonlyMap<string, readonly string[]>;
  /** By policy, in Unix ms; that of `*` holds for policies that are not named. */
  readonly blockIngestionPolicyUntilMs: ReadonlyMap<string, number>;
  readonly ingestionPartitionsTenantShardSize: number;
  readonly maxReturnedStreamErrors: number;

  // ---- queries
  readonly maxQuerySeries: number;
  /** Bytes that one query may hold in one place; 0: no bound but the engine's own. */
  readonly maxQueryMemoryBytes: number;
  /** Answers say so when a limit cut them. */
  readonly queryWarningsEnabled: boolean;
  readonly maxQueryLookbackMs: number;
  readonly maxQueryLengthMs: number;
  readonly maxQueryRangeMs: number;
  readonly maxQueryParallelism: number;
  /** The same for parts that are sharded. */
  readonly tsdbMaxQueryParallelism: number;
  readonly tsdbMaxBytesPerShard: number;
  readonly tsdbShardingStrategy: 'power_of_two' | 'bounded';
  /** Younger time is not sharded. */
  readonly minShardingLookbackMs: number;
  /** 0: all of them. */
  readonly maxQueriersPerTenant: number;
  /** The same as a share of them, 0..1; 0: all of them. */
  readonly maxQueryCapacity: number;
  readonly maxStreamsMatchersPerQuery: number;
  readonly maxConcurrentTailRequests: number;
  readonly maxEntriesLimitPerQuery: number;
  readonly queryTimeoutMs: number;
  readonly maxQueryBytesRead: number;
  readonly maxQuerierBytesRead: number;
  readonly maxCacheFreshnessMs: number;
  readonly maxMetadataCacheFreshnessMs: number;
  readonly maxStatsCacheFreshnessMs: number;
  readonly splitQueriesByIntervalMs: number;
  readonly splitInstantMetricQueriesByIntervalMs: number;
  /**
   * Of range queries over what ingesters may still hold (`querier.query_ingesters_within`); 0: as the rest.
   */
  readonly splitIngesterQueriesByIntervalMs: number;
  readonly splitMetadataQueriesByIntervalMs: number;
  readonly splitRecentMetadataQueriesByIntervalMs: number;
  readonly recentMetadataQueryWindowMs: number;
  readonly requiredLabels: readonly string[];
  readonly minimumLabelsNumber: number;
  readonly blockedQueries: readonly BlockedQuery[];
  readonly volumeEnabled: boolean;
  readonly volumeMaxSeries: number;
  /** The tenant's, and those that `query_range.shard_aggregations` names for all. */
  readonly shardAggregations: readonly string[];

  // ---- retention, deletes, rules
  readonly retentionPeriodMs: number;
  readonly retentionStreams: readonly RetentionStream[];
  readonly deletionMode: 'disabled' | 'filter-only' | 'filter-and-delete';
  readonly rulerMaxRulesPerRuleGroup: number;
  readonly rulerMaxRuleGroupsPerTenant: number;
  /** Rulers that share a tenant's groups; 0: all. */
  readonly rulerTenantShardSize: number;
  /** 0: none of its own. */
  readonly rulerRemoteEvaluationTimeoutMs: number;
  /** 0: none of its own. */
  readonly rulerRemoteEvaluationBytesMax: number;
  readonly rulerRemoteWriteDisabled: boolean;
  /** `ruler_remote_write_config`, as written: clients by name, over those of the ruler's configuration. */
  readonly rulerRemoteWriteConfig: unknown;
}

/** Streams that grow fast are several shards. */
interface ShardStreamsConfig {
  readonly enabled: boolean;
  /** Bytes a second from which on a stream gets one more shard. */
  readonly desiredRateBytes: number;
}

export interface BlockedQuery {
  readonly pattern: string;
  readonly regex: boolean;
  /** 0: any. */
  readonly hash: number;
  /** Of `metric`, `filter`, `limited`; empty: all. */
  readonly types: readonly string[];
  readonly tags: ReadonlyMap<string, string>;
}

export interface RetentionStream {
  readonly selector: string;
  readonly priority: number;
  readonly periodMs: number;
}

/** The fate of an OTLP attribute: a label of the stream, structured metadata of the entry, or nothing. */
export type OtlpAction = 'index_label' | 'structured_metadata' | 'drop';

/** `attributes` xor `regex`. */
export interface OtlpAttributesConfig {
  readonly action: OtlpAction;
  readonly attributes: readonly string[];
  readonly regex: string;
}

interface OtlpConfig {
  readonly resourceAttributes: {
    readonly ignoreDefaults: boolean;
    readonly attributesConfig: readonly OtlpAttributesConfig[];
  };
  readonly scopeAttributes: readonly OtlpAttributesConfig[];
  readonly logAttributes: readonly OtlpAttributesConfig[];
  readonly severityTextAsLabel: boolean;
}

/**
 * Where roles ask for a tenant's limits; the answer may change between calls (overrides reload at run time).
 */
export interface LimitsSource {
  forTenant(tenant: string): Limits;
}

/** Streams that `selector` matches are of the policy. */
export interface PolicySelector {
  readonly policy: string;
  readonly selector: string;
  readonly priority: number;
}
