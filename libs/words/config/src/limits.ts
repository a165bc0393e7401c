/**
 * Per-tenant limits: Loki's `limits_config`, in our units. schema-data.json has their YAML names, flags and
 * defaults; meanings and error texts are Loki's.
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
  /** Assigns policies to streams: of all matching policies the one with the highest priority wins. */
  readonly policyStreamMapping: readonly PolicySelector[];
  /** Required labels by policy, in addition to `enforcedLabels`; those of `*` hold for all streams. */
  readonly policyEnforcedLabels: ReadonlyMap<string, readonly string[]>;
  /** End of the block by policy, in Unix ms; `*` holds for policies that are not listed. */
  readonly blockIngestionPolicyUntilMs: ReadonlyMap<string, number>;
  readonly ingestionPartitionsTenantShardSize: number;
  readonly maxReturnedStreamErrors: number;

  // ---- queries
  readonly maxQuerySeries: number;
  /** Most bytes of state that one query may hold in one process; 0: only the engine's own bound. */
  readonly maxQueryMemoryBytes: number;
  /** Answers carry a warning when a limit shortened them. */
  readonly queryWarningsEnabled: boolean;
  readonly maxQueryLookbackMs: number;
  readonly maxQueryLengthMs: number;
  readonly maxQueryRangeMs: number;
  readonly maxQueryParallelism: number;
  /** The same bound for sharded parts. */
  readonly tsdbMaxQueryParallelism: number;
  readonly tsdbMaxBytesPerShard: number;
  readonly tsdbShardingStrategy: 'power_of_two' | 'bounded';
  /** More recent time is not sharded. */
  readonly minShardingLookbackMs: number;
  /** Most queriers that work for the tenant; 0: all. */
  readonly maxQueriersPerTenant: number;
  /** The same bound as a share of all queriers, 0..1; 0: all. */
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
   * Split interval for time that heads of ingesters may hold (`querier.query_ingesters_within`); 0: the
   * general interval.
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
  /** The tenant's own, and those of `query_range.shard_aggregations`. */
  readonly shardAggregations: readonly string[];

  // ---- retention, deletes, rules
  readonly retentionPeriodMs: number;
  readonly retentionStreams: readonly RetentionStream[];
  readonly deletionMode: 'disabled' | 'filter-only' | 'filter-and-delete';
  readonly rulerMaxRulesPerRuleGroup: number;
  readonly rulerMaxRuleGroupsPerTenant: number;
  /** Rulers that share a tenant's groups; 0: all. */
  readonly rulerTenantShardSize: number;
  /** 0: no bound of its own. */
  readonly rulerRemoteEvaluationTimeoutMs: number;
  /** 0: no bound of its own. */
  readonly rulerRemoteEvaluationBytesMax: number;
  readonly rulerRemoteWriteDisabled: boolean;
  /**
   * `ruler_remote_write_config`, as written: clients by name; they override those of the ruler's
   * configuration.
   */
  readonly rulerRemoteWriteConfig: unknown;
}

/** Sharding of streams that grow fast. */
interface ShardStreamsConfig {
  readonly enabled: boolean;
  /** A stream gets one shard for each such rate, in bytes per second. */
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

/** Use of an OTLP attribute: label of the stream, structured metadata of the entry, or none. */
export type OtlpAction = 'index_label' | 'structured_metadata' | 'drop';

/** Either `attributes` or `regex` is set. */
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

/** Gives the limits of a tenant. The answer may change between calls, because overrides are reloaded. */
export interface LimitsSource {
  forTenant(tenant: string): Limits;
}

/** Assigns the streams that `selector` matches to the policy. */
export interface PolicySelector {
  readonly policy: string;
  readonly selector: string;
  readonly priority: number;
}
