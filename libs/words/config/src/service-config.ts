/** The types of the configuration of services outside a process: object stores, write log, rings, caches. */
import type { TlsClientConfig } from './tls-config.ts';

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

/** The place where a ring is stored: memory, Redis, or the memory of another process. */
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
