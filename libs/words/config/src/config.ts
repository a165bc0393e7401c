/** The types of the configuration that the program uses: our units, all values derived. */
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

/** The configuration as the program uses it: in our units, with everything derived. */
export interface Config {
  /** Sorted set of components to run, aliases (`all`, `read`, `write`, `backend`) resolved. */
  readonly components: ReadonlySet<Component>;
  /** `-target` as given. */
  readonly target: readonly string[];
  readonly authEnabled: boolean;
  readonly noAuthTenant: string;
  /** Directory for files of this process that have no directory of their own. */
  readonly dataDirectory: string;
  readonly server: ServerConfig;
  readonly storage: StorageConfig;
  readonly writeLog: WriteLogConfig;
  readonly workerPool: { readonly threads: number; readonly blockCacheBytes: number };
  /** A copy on local disk of what was read of a bucket. bytesMax 0: as the disk has room. */
  readonly diskCache: { readonly directory: string; readonly bytesMax: number };
  readonly ring: RingConfig;
  /** TLS of this process's calls to our other processes. */
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
  /** `limits_config` as given, by key. A tenant's overrides replace single values of it. */
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
  /** Token that gRPC calls must show; '' : none. */
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

/** The object store of a process. Every key starts with `prefix`; '' : none. */
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
  /** Directory of the embedded log. */
  readonly directory: string;
  readonly fsync: boolean;
  /** How long an open batch waits for more pushes. */
  readonly lingerMs: number;
  readonly maxBatchBytes: number;
  readonly logFileBytes: number;
  /** 0: bounded by the disk alone. */
  readonly maxBytes: number;
  /** Whether the embedded log takes over an object store that belongs to another log. */
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
  /** Replication factor when the topic is created; 0: the brokers' default. */
  readonly replicationFactor: number;
  /** Number of topics that this log used before. */
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

/** The store of a ring. */
export interface RingStoreConfig {
  /** `joined`: the ring in the memory of the first of `joinMembers` that answers. */
  readonly store: 'memory' | 'redis' | 'joined';
  /** gRPC addresses, `host:port`. */
  readonly joinMembers: readonly string[];
  readonly prefix: string;
  readonly redis: RedisConfig;
}

/** Settings of this process as a member of a ring. */
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

/** Kinds of answers that may be cached: `results` are answers of range queries. */
export type CachedResults = 'results' | 'instant' | 'labels' | 'series' | 'stats' | 'volume';

/** One results cache: in memory, in Redis or in memcached. */
export interface CacheConfig {
  /** Most bytes of a cache in memory. */
  readonly bytesMax: number;
  /** 0: bounded by bytes alone. */
  readonly itemsMax: number;
  readonly ttlMs: number;
  /** At most one of `redis` and `memcached` is set. Neither: the cache is in memory. */
  readonly redis?: RedisConfig;
  readonly memcached?: MemcachedConfig;
  /** Bounds of values that wait to be written to a remote cache; further values are dropped. */
  readonly writing: { readonly parallelism: number; readonly itemsMax: number; readonly bytesMax: number };
}

/** The memcached servers of a results cache, their discovery and their circuit breaker. */
export interface MemcachedConfig {
  /** `host:port`, `dns+host:port`, `dnssrv+name` or `dnssrvnoa+name`: each resolved address is a server. */
  readonly addresses: readonly string[];
  readonly lookupMs: number;
  /** Timeout of one request. */
  readonly timeoutMs: number;
  /** Most connections to one server. */
  readonly connectionsMax: number;
  /** Larger values are not written; 0: no bound. */
  readonly itemBytesMax: number;
  /** Most keys of one request; 0: no bound. */
  readonly batchSize: number;
  /** Most parallel requests for one lookup. */
  readonly parallelism: number;
  /** After `failures` failures within `intervalMs` a server is not asked for `openMs`. */
  readonly breaker: { readonly failures: number; readonly openMs: number; readonly intervalMs: number };
  readonly tls: TlsClientConfig;
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

interface TracingConfig {
  readonly enabled: boolean;
  /** '' : the environment's OTEL_EXPORTER_OTLP_ENDPOINT, if any. */
  readonly otlpEndpoint: string;
  readonly samplingRatio: number;
}
