import type { Limits } from './limits.ts';
import type { SettingValue } from './scalars.ts';

/** Parts of the system that one process may run. */
export type Component =
  | 'gateway'
  | 'distributor'
  | 'ingester'
  | 'querier'
  | 'query-frontend'
  | 'query-scheduler'
  | 'compactor'
  | 'ruler'
  | 'index-gateway'
  | 'pattern-ingester'
  | 'overrides-exporter'
  | 'grafana-provision';

/** The configuration as the program uses it: our units, everything derived, nothing left to look up. */
export interface Config {
  /** Sorted set of components to run, aliases (`all`, `read`, `write`, `backend`) resolved. */
  readonly components: ReadonlySet<Component>;
  /** `-target` as given. */
  readonly target: readonly string[];
  readonly authEnabled: boolean;
  readonly noAuthTenant: string;
  /** Where this process keeps files that have no directory of their own. */
  readonly dataDirectory: string;
  readonly server: ServerConfig;
  readonly storage: StorageConfig;
  readonly writeLog: WriteLogConfig;
  readonly workerPool: { readonly threads: number; readonly blockCacheBytes: number };
  readonly ring: RingConfig;
  /** How this process calls others of ours. */
  readonly rpcClients: Readonly<Record<RpcPeer, TlsClientConfig>>;
  readonly distributor: DistributorConfig;
  readonly ingester: IngesterConfig;
  readonly querier: QuerierConfig;
  readonly frontend: FrontendConfig;
  readonly queryRange: QueryRangeConfig;
  readonly compactor: CompactorConfig;
  readonly ruler: RulerConfig;
  readonly patternIngester: { readonly enabled: boolean };
  readonly grafanaProvision: GrafanaProvisionConfig;
  readonly runtimeConfig: { readonly files: readonly string[]; readonly periodMs: number };
  readonly tracing: TracingConfig;
  readonly limits: Limits;
  /** `limits_config` as given, by key: what a tenant's overrides are laid over. */
  readonly limitValues: ReadonlyMap<string, SettingValue>;
  /** Limits a tenant may read about itself. */
  readonly tenantLimitsAllowPublish: readonly string[];
  readonly shutdownDelayMs: number;
  readonly metricsNamespace: string;
}

export interface GrafanaProvisionConfig {
  readonly url: string;
  readonly token: string;
  readonly username: string;
  readonly password: string;
  /** Of the user, where neither a token nor a user is given; '' : there is none. */
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

export interface ServerConfig {
  readonly httpListenAddress: string;
  readonly httpListenPort: number;
  /** 0: no limit. */
  readonly httpConnectionsMax: number;
  /** 0: admin routes are answered on the HTTP port too. */
  readonly adminListenPort: number;
  readonly httpPathPrefix: string;
  readonly httpReadTimeoutMs: number;
  readonly httpReadHeaderTimeoutMs: number;
  readonly httpWriteTimeoutMs: number;
  readonly httpIdleTimeoutMs: number;
  readonly httpTls: TlsServerConfig;
  readonly grpcListenAddress: string;
  readonly grpcListenPort: number;
  readonly grpcMaxRecvMsgBytes: number;
  readonly grpcMaxConcurrentStreams: number;
  readonly grpcTls: TlsServerConfig;
  /** '' : calls need none. */
  readonly grpcAuthToken: string;
  readonly grpcReflectionEnabled: boolean;
  readonly gracefulShutdownTimeoutMs: number;
  readonly logLevel: string;
  readonly logFormat: 'logfmt' | 'json';
}

/** The kinds of calls between our processes, as far as the configuration tells them apart. */
export type RpcPeer =
  'distributor' | 'ingester' | 'patterns' | 'frontend' | 'ruleFrontend' | 'ruler' | 'compactor' | 'ringStore';

/** Neither `cert` nor `certFile`: plain text. */
export interface TlsServerConfig {
  /** PEM in the configuration itself, in place of files. */
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
  readonly clientAuthType: string;
  /** Absent: Node's own, which is TLS 1.2. */
  readonly minVersion?: TlsVersion;
}

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** TLS of calls to other servers, by paths of PEM files. */
export interface TlsClientConfig {
  readonly enabled: boolean;
  /** '' : the client shows no certificate. */
  readonly certFile: string;
  readonly keyFile: string;
  /** '' : the system's authorities. */
  readonly caFile: string;
  /** '' : the host of the address. */
  readonly serverName: string;
  readonly insecureSkipVerify: boolean;
}

/** The object store of a process. `prefix` stands before every key; '' for none. */
export type StorageConfig =
  | { readonly kind: 'filesystem'; readonly directory: string; readonly prefix: string }
  | ({ readonly kind: 's3'; readonly prefix: string } & S3Config);

export interface S3Config {
  readonly endpoint: string;
  readonly port: number;
  readonly useTls: boolean;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly forcePathStyle: boolean;
  readonly insecureSkipVerify: boolean;
  readonly caFile: string;
  readonly storageClass: string;
}

export interface WriteLogConfig {
  readonly kind: 'embedded' | 'kafka';
  readonly partitions: number;
  /** Of the embedded log. */
  readonly directory: string;
  readonly fsync: boolean;
  /** How long an open batch waits for more pushes. */
  readonly lingerMs: number;
  readonly maxBatchBytes: number;
  readonly logFileBytes: number;
  /** 0: bounded by the disk alone. */
  readonly maxBytes: number;
  /** Whether the embedded log takes the object store from the log that owns it. */
  readonly takesStore: boolean;
  readonly kafka: KafkaConfig;
}

export interface KafkaConfig {
  readonly topic: string;
  readonly readerAddresses: readonly string[];
  readonly writerAddresses: readonly string[];
  readonly clientId: string;
  readonly saslUsername: string;
  readonly saslPassword: string;
  readonly saslMechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly tls: KafkaTlsConfig;
  readonly dialTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly autoCreateTopic: boolean;
  readonly maxRecordBytes: number;
  readonly maxBufferedBytes: number;
  /** Of a topic that is made; 0: the brokers' default. */
  readonly replicationFactor: number;
  /** How many topics this log has had before. */
  readonly epoch: number;
  readonly deletesFlushedRecords: boolean;
}

interface KafkaTlsConfig {
  readonly enabled: boolean;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly serverName: string;
  readonly insecureSkipVerify: boolean;
}

/** Where a ring is kept. */
export interface RingStoreConfig {
  /** `joined`: the ring that the first answering one of `joinMembers` keeps in its memory. */
  readonly store: 'memory' | 'redis' | 'joined';
  /** gRPC addresses, `host:port`. */
  readonly joinMembers: readonly string[];
  readonly prefix: string;
  readonly redis: RedisConfig;
}

/** How this process stands in a ring. */
export interface MemberRingConfig extends RingStoreConfig {
  /** '' : the host's name. */
  readonly instanceId: string;
  readonly instanceAddr: string;
  readonly instancePort: number;
  readonly zone: string;
  readonly tokens: number;
  readonly heartbeatPeriodMs: number;
  readonly heartbeatTimeoutMs: number;
}

export interface RingConfig extends MemberRingConfig {
  readonly zoneAwarenessEnabled: boolean;
  readonly replicationFactor: number;
}

/** A Redis server, its sentinels or its cluster, as rings and results caches use it. */
export interface RedisConfig {
  /** `host:port`, several separated by commas for a cluster or sentinels. */
  readonly endpoint: string;
  readonly masterName: string;
  readonly username: string;
  readonly password: string;
  readonly db: number;
  readonly tlsEnabled: boolean;
  readonly tlsInsecureSkipVerify: boolean;
  readonly timeoutMs: number;
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
   * Query frontends to fetch work from, `host:port`; each address a name resolves to. None: those in the
   * ring.
   */
  readonly frontendAddresses: readonly string[];
  readonly frontendLookupMs: number;
  readonly multiTenantQueriesEnabled: boolean;
  /**
   * Heads are asked whatever the time, because they may hold entries of any age. It is the time that
   * `split_ingester_queries_by_interval` is for; 0: all time.
   */
  readonly queryIngestersWithinMs: number;
  /** Half an answer is wanted: `querier.query_store_only`, `query_ingester_only`. */
  readonly reads?: 'store' | 'heads';
  readonly tailMaxDurationMs: number;
  readonly perRequestLimitsEnabled: boolean;
}

export interface FrontendConfig {
  readonly maxBodyBytes: number;
  readonly compressResponses: boolean;
  /** 0: none are; negative: all. */
  readonly logQueriesLongerThanMs: number;
  readonly logQueryRequestHeaders: readonly string[];
  readonly queryStatsEnabled: boolean;
  /** Parts of queries that may wait. */
  readonly maxOutstandingPerTenant: number;
  readonly maxQueueLevels: number;
}

export interface QueryRangeConfig {
  readonly alignQueriesWithStep: boolean;
  readonly maxRetries: number;
  /**
   * Aggregations that every tenant may have sharded; `approx_topk` is refused unless it is named here or in
   * the limits.
   */
  readonly shardAggregations: readonly string[];
  readonly parallelise: boolean;
  /** Where answers are kept; kinds that are not are left out. Kinds with the same object share one cache. */
  readonly caches: ReadonlyMap<CachedResults, CacheConfig>;
}

/** Kinds of answers that may be kept: `results` are those of range queries. */
export type CachedResults = 'results' | 'instant' | 'labels' | 'series' | 'stats' | 'volume';

/** One results cache: in memory, in Redis or in memcached. */
export interface CacheConfig {
  /** Of a cache in memory. */
  readonly bytesMax: number;
  /** 0: bounded by bytes alone. */
  readonly itemsMax: number;
  readonly ttlMs: number;
  /** Elsewhere: at most one of these. Neither: in memory. */
  readonly redis?: RedisConfig;
  readonly memcached?: MemcachedConfig;
  /** Values on their way to a cache elsewhere; beyond, further ones are dropped. */
  readonly writing: { readonly parallelism: number; readonly itemsMax: number; readonly bytesMax: number };
}

/** Servers of a results cache, how they are found, and when one of them is left alone. */
export interface MemcachedConfig {
  /**
   * `host:port`, `dns+host:port`, `dnssrv+name` or `dnssrvnoa+name`: each address that they stand for is a
   * server.
   */
  readonly addresses: readonly string[];
  readonly lookupMs: number;
  /** Of one request. */
  readonly timeoutMs: number;
  /** To one server. */
  readonly connectionsMax: number;
  /** Larger values are not written; 0: no bound. */
  readonly itemBytesMax: number;
  /** Keys of one request; 0: as many as there are. */
  readonly batchSize: number;
  /** Requests of one question at a time. */
  readonly parallelism: number;
  /** A server that fails so often is left alone for a while. */
  readonly breaker: { readonly failures: number; readonly openMs: number; readonly intervalMs: number };
  readonly tls: TlsClientConfig;
}

export interface CompactorConfig {
  readonly compactionIntervalMs: number;
  readonly retentionEnabled: boolean;
  readonly retentionDeleteDelayMs: number;
  /** A larger share of the store is not removed at once by a start whose clock is doubtful. */
  readonly retentionShareMax: number;
  readonly deleteRequestStore: string;
  readonly deleteRequestCancelPeriodMs: number;
  readonly deleteMaxIntervalMs: number;
  /** By which compactors share days. */
  readonly ring: MemberRingConfig;
}

export interface RulerConfig {
  readonly enableApi: boolean;
  readonly evaluationIntervalMs: number;
  readonly pollIntervalMs: number;
  readonly rulePath: string;
  readonly alertmanagerUrls: readonly string[];
  readonly alertmanagerBasicAuth: { readonly username: string; readonly password: string };
  /** `Bearer` and the like with its secret, in place of a user name; '' for none. */
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
  /** By which rulers share groups. */
  readonly ring: MemberRingConfig;
  readonly evaluation: {
    /** Expressions are sent to query frontends; else this process reads heads and store itself. */
    readonly isRemote: boolean;
    /** Rules wait up to so long, each always the same. */
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
  /** Where recorded samples wait for remote write. */
  readonly walDirectory: string;
  readonly walMaxAgeMs: number;
  /** Where rules are kept. */
  readonly storage: StorageConfig;
  /** Rules are files that somebody else puts there, not objects of ours. */
  readonly rulesAreFiles: boolean;
}

interface TracingConfig {
  readonly enabled: boolean;
  /** '' : the environment's OTEL_EXPORTER_OTLP_ENDPOINT, if any. */
  readonly otlpEndpoint: string;
  readonly samplingRatio: number;
}
