/** The types of the configuration of each role. */
import type { CacheConfig, CachedResults, MemberRingConfig, StorageConfig } from './service-config.ts';

export interface GrafanaProvisionConfig {
  readonly url: string;
  readonly token: string;
  readonly username: string;
  readonly password: string;
  /** Namespace of the secret with Grafana's user, when neither a token nor a user is given; '' : none. */
  readonly secretNamespace: string;
  readonly secretName: string;
  readonly serviceAccountDirectory: string;
  readonly dataSourcesFile: string;
  /** '' : no dashboards. */
  readonly dashboardsDirectory: string;
  readonly folder: string;
  readonly waitMs: number;
  readonly removes: boolean;
  readonly isBestEffort: boolean;
}

export interface DistributorConfig {
  readonly maxRecvMsgBytes: number;
  readonly maxDecompressedBytes: number;
  /** 0: no bound of its own. */
  readonly maxInflightBytes: number;
  readonly otlpDefaultIndexLabels: readonly string[];
}

export interface IngesterConfig {
  readonly chunkIdlePeriodMs: number;
  readonly maxChunkAgeMs: number;
  readonly flushOnShutdown: boolean;
  readonly maxReturnedStreamErrors: number;
  /** '' : prepare_shutdown is refused. */
  readonly shutdownMarkerPath: string;
  readonly autoforgetUnhealthy: boolean;
}

export interface QuerierConfig {
  readonly maxConcurrent: number;
  /**
   * Query frontends to fetch work from, `host:port`; each address that a name resolves to. Empty: the
   * frontends in the ring.
   */
  readonly frontendAddresses: readonly string[];
  readonly frontendLookupMs: number;
  readonly multiTenantQueriesEnabled: boolean;
  /**
   * Heads are always asked, because they may hold entries of any age. This is the age up to which
   * `split_ingester_queries_by_interval` applies; 0: any age.
   */
  readonly queryIngestersWithinMs: number;
  /** Restricts reads to one source: `querier.query_store_only`, `query_ingester_only`. */
  readonly reads?: 'store' | 'heads';
  readonly tailMaxDurationMs: number;
  readonly perRequestLimitsEnabled: boolean;
}

export interface FrontendConfig {
  readonly maxBodyBytes: number;
  readonly compressResponses: boolean;
  /** Queries that take longer are logged; 0: none; negative: all. */
  readonly logQueriesLongerThanMs: number;
  readonly logQueryRequestHeaders: readonly string[];
  readonly queryStatsEnabled: boolean;
  /** Most parts of queries that may wait in the queue. */
  readonly maxOutstandingPerTenant: number;
  readonly maxQueueLevels: number;
}

export interface QueryRangeConfig {
  readonly alignQueriesWithStep: boolean;
  readonly maxRetries: number;
  /**
   * Aggregations that are sharded for every tenant; `approx_topk` is refused unless it is named here or in
   * the limits.
   */
  readonly shardAggregations: readonly string[];
  readonly parallelise: boolean;
  /**
   * Results caches by kind of answer; kinds that are not cached are left out. Kinds with the same object
   * share one cache.
   */
  readonly caches: ReadonlyMap<CachedResults, CacheConfig>;
}

export interface CompactorConfig {
  readonly compactionIntervalMs: number;
  readonly retentionEnabled: boolean;
  readonly retentionDeleteDelayMs: number;
  /** Largest share of the store that retention removes right after a start: the clock may be wrong. */
  readonly retentionShareMax: number;
  readonly deleteRequestStore: string;
  readonly deleteRequestCancelPeriodMs: number;
  readonly deleteMaxIntervalMs: number;
  /** The ring by which compactors share days. */
  readonly ring: MemberRingConfig;
}

export interface RulerConfig {
  readonly enableApi: boolean;
  readonly evaluationIntervalMs: number;
  readonly pollIntervalMs: number;
  readonly rulePath: string;
  readonly alertmanagerUrls: readonly string[];
  readonly alertmanagerBasicAuth: { readonly username: string; readonly password: string };
  /** Authorization scheme (`Bearer`) and secret, instead of a user name; '' : none. */
  readonly alertmanagerToken: {
    readonly type: string;
    readonly credentials: string;
    readonly credentialsFile: string;
  };
  /** `ruler.alert_relabel_configs`, as written. */
  readonly alertRelabelConfigs: unknown;
  /** Grafana's id of this Loki, for links in alerts. */
  readonly datasourceUid: string;
  readonly externalUrl: string;
  readonly externalLabels: ReadonlyMap<string, string>;
  readonly notificationQueueCapacity: number;
  readonly notificationTimeoutMs: number;
  readonly forOutageToleranceMs: number;
  readonly forGracePeriodMs: number;
  readonly resendDelayMs: number;
  readonly enableSharding: boolean;
  /** A tenant's groups are on as many rulers as its `ruler_tenant_shard_size` says. */
  readonly isShuffled: boolean;
  /** The ring by which rulers share groups. */
  readonly ring: MemberRingConfig;
  readonly evaluation: {
    /** True: query frontends evaluate expressions. False: this process reads heads and store itself. */
    readonly isRemote: boolean;
    /** Longest delay of a rule; each rule always has the same delay. */
    readonly maxJitterMs: number;
    /** '' : the frontends in the ring. */
    readonly frontendAddress: string;
  };
  readonly enabledTenants: readonly string[];
  readonly disabledTenants: readonly string[];
  readonly remoteWriteEnabled: boolean;
  readonly remoteWriteAddOrgId: boolean;
  /** `ruler.remote_write.clients`, as written. */
  readonly remoteWriteClients: unknown;
  /** Directory of recorded samples that wait for remote write. */
  readonly walDirectory: string;
  readonly walMaxAgeMs: number;
  /** The store of rules. */
  readonly storage: StorageConfig;
  /** Rules are files that the operator provides, not objects that our API writes. */
  readonly rulesAreFiles: boolean;
}
