/** The configuration that the program uses: our units, all values derived. */
import type { Limits } from './limits.ts';
import type {
  CompactorConfig,
  DistributorConfig,
  FrontendConfig,
  GrafanaProvisionConfig,
  IngesterConfig,
  QuerierConfig,
  QueryRangeConfig,
  RulerConfig,
} from './role-config.ts';
import type { SettingValue } from './scalars.ts';
import type { RingConfig, StorageConfig, WriteLogConfig } from './service-config.ts';
import type { TlsClientConfig, TlsServerConfig } from './tls-config.ts';

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
  readonly workerPool: {
    readonly threads: number;
    readonly blockCacheBytes: number;
    /** Caches of threads, and threads, are given back after this long without use; 0: never. */
    readonly idleMs: number;
  };
  /** The cache on local disk of ranges of a bucket's objects. bytesMax 0: by the free space of the disk. */
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

/** The kinds of calls between our processes that the configuration distinguishes. */
export type RpcPeer =
  'distributor' | 'ingester' | 'patterns' | 'frontend' | 'ruleFrontend' | 'ruler' | 'compactor' | 'ringStore';

interface TracingConfig {
  readonly enabled: boolean;
  /** '' : the environment's OTEL_EXPORTER_OTLP_ENDPOINT, if any. */
  readonly otlpEndpoint: string;
  readonly samplingRatio: number;
}
