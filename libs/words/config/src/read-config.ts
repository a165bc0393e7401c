/** Derives the program's configuration from the settled values of all keys, and checks it. */
import path from 'node:path';
import { ConfigError } from './config-error.ts';
import type { ConfigNotice } from './config-error.ts';
import type {
  CompactorConfig,
  Config,
  DistributorConfig,
  FrontendConfig,
  IngesterConfig,
  KafkaConfig,
  QuerierConfig,
  QueryRangeConfig,
  RingConfig,
  RulerConfig,
  ServerConfig,
  TlsServerConfig,
  TlsVersion,
  WriteLogConfig,
} from './config.ts';
import { readCaches } from './read-caches.ts';
import { readGrafanaProvision } from './read-grafana-provision.ts';
import { buildLimits, limitKeysRead } from './read-limits.ts';
import type { LimitSyntaxChecks } from './read-limits.ts';
import { readMemberRing, readRing } from './read-ring.ts';
import { readRpcClients } from './read-rpc-clients.ts';
import { checkSchemaConfig, readRulerStorage, readStorage, rulesAreFiles } from './read-storage.ts';
import type { Settings } from './settings.ts';
import { componentsOf } from './targets.ts';

/**
 * Derives the configuration from the settled values.
 *
 * @param notices collects remarks for the operator
 * @throws ConfigError for values that contradict each other or are unusable
 */
export function readConfig(settings: Settings, notices: ConfigNotice[], checks?: LimitSyntaxChecks): Config {
  checkSchemaConfig(settings, settings.flag('limits_config.allow_structured_metadata'), notices);
  const dataDirectory = settings.text('common.path_prefix') || './data';
  const limitValues = settings.below('limits_config');
  for (const key of limitKeysRead()) settings.markUsed(`limits_config.${key}`);
  const ingester = readIngester(settings);
  const queryRange = readQueryRange(settings);
  const ring = readRing(settings, notices);
  const target = settings
    .text('target')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const config: Config = {
    components: componentsOf(target),
    target,
    authEnabled: settings.flag('auth_enabled'),
    noAuthTenant: settings.text('no_auth_tenant'),
    dataDirectory,
    server: readServer(settings),
    storage: readStorage(settings, dataDirectory, notices),
    writeLog: readWriteLog(settings, dataDirectory),
    workerPool: {
      threads: settings.number('worker_pool.threads'),
      blockCacheBytes: settings.number('worker_pool.block_cache_size'),
    },
    diskCache: {
      directory: settings.text('disk_cache.directory'),
      bytesMax: settings.number('disk_cache.max_size'),
    },
    ring,
    rpcClients: readRpcClients(settings, ring, notices),
    distributor: readDistributor(settings),
    ingester,
    querier: readQuerier(settings),
    frontend: readFrontend(settings),
    queryRange,
    compactor: readCompactor(settings, ring, notices),
    ruler: readRuler(settings, dataDirectory, ring, notices),
    patternIngester: { enabled: settings.flag('pattern_ingester.enabled') },
    grafanaProvision: readGrafanaProvision(settings),
    runtimeConfig: {
      files: settings
        .text('runtime_config.file')
        .split(',')
        .filter((file) => file !== ''),
      periodMs: settings.durationMs('runtime_config.period'),
    },
    tracing: {
      enabled: settings.flag('tracing.enabled'),
      otlpEndpoint: settings.text('tracing.otlp_endpoint'),
      samplingRatio: settings.number('tracing.sampling_ratio'),
    },
    limits: buildLimits(limitValues, {
      maxReturnedStreamErrors: ingester.maxReturnedStreamErrors,
      shardAggregations: queryRange.shardAggregations,
      checks,
    }),
    limitValues,
    tenantLimitsAllowPublish: settings.list('tenant_limits_allow_publish'),
    shutdownDelayMs: settings.durationMs('server.shutdown_delay') || settings.durationMs('shutdown_delay'),
    metricsNamespace: settings.text('metrics_namespace'),
  };
  checkConfig(config);
  return config;
}

/** Relations between values that no single key can guarantee. */
function checkConfig(config: Config): void {
  if (config.compactor.retentionEnabled && config.compactor.deleteRequestStore === '') {
    throw new ConfigError('compactor.delete-request-store should be configured when retention is enabled');
  }
  if (config.runtimeConfig.files.length > 0 && config.runtimeConfig.periodMs <= 0) {
    throw new ConfigError('runtime_config.period must be positive');
  }
  for (const port of [
    config.server.httpListenPort,
    config.server.grpcListenPort,
    config.server.adminListenPort,
  ]) {
    if (port < 0 || port > 65535) throw new ConfigError(`invalid port ${port}`);
  }
  const { httpListenPort, adminListenPort } = config.server;
  if (adminListenPort !== 0 && adminListenPort === httpListenPort) {
    throw new ConfigError(
      'server.admin_listen_port must differ from server.http_listen_port; 0 serves both on one',
    );
  }
  if (config.writeLog.partitions < 1) throw new ConfigError('write_log.partitions must be at least 1');
  if (config.ring.replicationFactor < 1) throw new ConfigError('replication_factor must be at least 1');
  if (config.server.grpcMaxRecvMsgBytes < 1) {
    throw new ConfigError('server.grpc_server_max_recv_msg_size must be positive');
  }
  if (config.components.has('grafana-provision') && config.components.size > 1) {
    throw new ConfigError('target grafana-provision runs alone');
  }
  if (config.metricsNamespace === '') throw new ConfigError('metrics_namespace must not be empty');
}

function readServer(settings: Settings): ServerConfig {
  const format = settings.text('server.log_format');
  if (format !== 'logfmt' && format !== 'json') {
    throw new ConfigError(`invalid log format ${JSON.stringify(format)}: use logfmt or json`);
  }
  const level = settings.text('server.log_level');
  if (!['debug', 'info', 'warn', 'error'].includes(level)) {
    throw new ConfigError(`unrecognized log level ${JSON.stringify(level)}`);
  }
  return {
    httpListenAddress: settings.text('server.http_listen_address'),
    httpListenPort: settings.number('server.http_listen_port'),
    httpConnectionsMax: settings.number('server.http_listen_conn_limit'),
    adminListenPort: settings.number('server.admin_listen_port'),
    httpPathPrefix: settings.text('server.http_path_prefix').replace(/\/+$/, ''),
    httpReadTimeoutMs: settings.durationMs('server.http_server_read_timeout'),
    httpReadHeaderTimeoutMs: settings.durationMs('server.http_server_read_header_timeout'),
    httpWriteTimeoutMs: settings.durationMs('server.http_server_write_timeout'),
    httpIdleTimeoutMs: settings.durationMs('server.http_server_idle_timeout'),
    httpTls: readTls(settings, 'server.http_tls_config'),
    grpcListenAddress: settings.text('server.grpc_listen_address'),
    grpcListenPort: settings.number('server.grpc_listen_port'),
    grpcMaxRecvMsgBytes: settings.number('server.grpc_server_max_recv_msg_size'),
    grpcMaxConcurrentStreams: settings.number('server.grpc_server_max_concurrent_streams'),
    grpcTls: readTls(settings, 'server.grpc_tls_config'),
    grpcAuthToken: settings.text('server.grpc_auth_token'),
    grpcReflectionEnabled: settings.flag('server.grpc_reflection_enabled'),
    gracefulShutdownTimeoutMs: settings.durationMs('server.graceful_shutdown_timeout'),
    logLevel: level,
    logFormat: format,
  };
}

function readTls(settings: Settings, path: string): TlsServerConfig {
  return {
    cert: settings.text(`${path}.cert`),
    key: settings.text(`${path}.key`),
    clientCa: settings.text(`${path}.client_ca`),
    certFile: settings.text(`${path}.cert_file`),
    keyFile: settings.text(`${path}.key_file`),
    clientCaFile: settings.text(`${path}.client_ca_file`),
    clientAuthType: settings.text(`${path}.client_auth_type`),
    ...readTlsMinVersion(settings),
  };
}

/** TLS versions by Go's names. */
const tlsVersions: ReadonlyMap<string, TlsVersion> = new Map([
  ['VersionTLS10', 'TLSv1'],
  ['VersionTLS11', 'TLSv1.1'],
  ['VersionTLS12', 'TLSv1.2'],
  ['VersionTLS13', 'TLSv1.3'],
]);

function readTlsMinVersion(settings: Settings): { minVersion?: TlsVersion } {
  const name = settings.text('server.tls_min_version');
  if (name === '') return {};
  const minVersion = tlsVersions.get(name);
  if (minVersion === undefined) {
    throw new ConfigError(
      `server.tls_min_version: unknown TLS version ${JSON.stringify(name)}: use ${[...tlsVersions.keys()].join(', ')}`,
    );
  }
  return { minVersion };
}

function readWriteLog(settings: Settings, dataDirectory: string): WriteLogConfig {
  const topic = settings.text('kafka_config.topic');
  const wantsKafka = settings.flag('distributor.kafka_writes_enabled');
  const configured = settings.text('write_log.kind');
  const kind = configured || (wantsKafka ? 'kafka' : 'embedded');
  if (kind !== 'embedded' && kind !== 'kafka') {
    throw new ConfigError(`write_log.kind: ${JSON.stringify(kind)} is none of embedded, kafka`);
  }
  if (kind === 'kafka' && topic === '') {
    throw new ConfigError('kafka_config.topic must be set to write through Kafka');
  }
  return {
    kind,
    partitions: settings.number('write_log.partitions'),
    directory: settings.text('write_log.directory') || `${dataDirectory}/write-log`,
    fsync: settings.flag('write_log.fsync'),
    lingerMs: settings.durationMs('write_log.linger'),
    maxBatchBytes: settings.number('write_log.max_batch_bytes'),
    logFileBytes: settings.number('write_log.log_file_bytes'),
    maxBytes: settings.number('write_log.max_bytes'),
    takesStore: settings.flag('write_log.take_store'),
    kafka: readKafka(settings, topic),
  };
}

function readKafka(settings: Settings, topic: string): KafkaConfig {
  const mechanism = settings.text('write_log.kafka_sasl_mechanism');
  if (!isSaslMechanism(mechanism)) {
    throw new ConfigError(
      `write_log.kafka_sasl_mechanism: ${JSON.stringify(mechanism)} is none of ${saslMechanisms.join(', ')}`,
    );
  }
  const tls = 'write_log.kafka_tls';
  return {
    topic,
    ...readBrokers(settings),
    clientId: settings.text('kafka_config.writer_config.client_id'),
    saslUsername: settings.text('kafka_config.sasl_username'),
    saslPassword: settings.text('kafka_config.sasl_password'),
    saslMechanism: mechanism,
    tls: {
      enabled: settings.flag(`${tls}_enabled`),
      caFile: settings.text(`${tls}_ca_path`),
      certFile: settings.text(`${tls}_cert_path`),
      keyFile: settings.text(`${tls}_key_path`),
      serverName: settings.text(`${tls}_server_name`),
      insecureSkipVerify: settings.flag(`${tls}_insecure_skip_verify`),
    },
    dialTimeoutMs: settings.durationMs('kafka_config.dial_timeout'),
    writeTimeoutMs: settings.durationMs('kafka_config.write_timeout'),
    autoCreateTopic: settings.flag('kafka_config.auto_create_topic_enabled'),
    maxRecordBytes: settings.number('kafka_config.producer_max_record_size_bytes'),
    maxBufferedBytes: settings.number('kafka_config.producer_max_buffered_bytes'),
    replicationFactor: settings.number('write_log.kafka_replication_factor'),
    epoch: settings.number('write_log.kafka_epoch'),
    deletesFlushedRecords: settings.flag('write_log.kafka_delete_flushed_records'),
  };
}

const saslMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

function isSaslMechanism(text: string): text is KafkaConfig['saslMechanism'] {
  return (saslMechanisms as readonly string[]).includes(text);
}

/** Brokers that are configured for one direction only serve both. */
function readBrokers(settings: Settings): Pick<KafkaConfig, 'readerAddresses' | 'writerAddresses'> {
  const unset = 'localhost:9092';
  const reader = settings.text('kafka_config.reader_config.address');
  const writer = settings.text('kafka_config.writer_config.address');
  return {
    readerAddresses: addresses(reader === unset ? writer : reader),
    writerAddresses: addresses(writer === unset ? reader : writer),
  };
}

function addresses(text: string): readonly string[] {
  return text
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
}

function readDistributor(settings: Settings): DistributorConfig {
  return {
    maxRecvMsgBytes: settings.number('distributor.max_recv_msg_size'),
    maxDecompressedBytes: settings.number('distributor.max_decompressed_size'),
    maxInflightBytes: settings.number('distributor.max_inflight_bytes'),
    otlpDefaultIndexLabels: settings.list(
      'distributor.otlp_config.default_resource_attributes_as_index_labels',
    ),
  };
}

function readIngester(settings: Settings): IngesterConfig {
  return {
    chunkIdlePeriodMs: settings.durationMs('ingester.chunk_idle_period'),
    maxChunkAgeMs: settings.durationMs('ingester.max_chunk_age'),
    flushOnShutdown: settings.flag('ingester.wal.flush_on_shutdown'),
    maxReturnedStreamErrors: settings.number('ingester.max_returned_stream_errors'),
    shutdownMarkerPath: settings.text('ingester.shutdown_marker_path') || settings.text('common.path_prefix'),
    autoforgetUnhealthy: settings.flag('ingester.autoforget_unhealthy'),
  };
}

function readQuerier(settings: Settings): QuerierConfig {
  return {
    maxConcurrent: settings.number('querier.max_concurrent'),
    frontendAddresses: addresses(
      settings.text('frontend_worker.frontend_address') || settings.text('frontend_worker.scheduler_address'),
    ),
    frontendLookupMs: settings.durationMs('frontend_worker.dns_lookup_duration'),
    multiTenantQueriesEnabled: settings.flag('querier.multi_tenant_queries_enabled'),
    queryIngestersWithinMs: settings.durationMs('querier.query_ingesters_within'),
    ...readSources(settings),
    tailMaxDurationMs: settings.durationMs('querier.tail_max_duration'),
    perRequestLimitsEnabled: settings.flag('querier.per_request_limits_enabled'),
  };
}

function readSources(settings: Settings): Pick<QuerierConfig, 'reads'> {
  const isStoreOnly = settings.flag('querier.query_store_only');
  const isIngesterOnly = settings.flag('querier.query_ingester_only');
  if (isStoreOnly && isIngesterOnly) {
    throw new ConfigError('querier.query_store_only and querier.query_ingester_only cannot both be set');
  }
  return isStoreOnly ? { reads: 'store' } : isIngesterOnly ? { reads: 'heads' } : {};
}

function readFrontend(settings: Settings): FrontendConfig {
  return {
    maxBodyBytes: settings.number('frontend.max_body_size'),
    compressResponses: settings.flag('frontend.compress_responses'),
    logQueriesLongerThanMs: settings.durationMs('frontend.log_queries_longer_than'),
    logQueryRequestHeaders: addresses(settings.text('frontend.log_query_request_headers')),
    queryStatsEnabled: settings.flag('frontend.query_stats_enabled'),
    maxOutstandingPerTenant: readOutstandingMax(settings),
    maxQueueLevels: settings.number('query_scheduler.max_queue_hierarchy_levels'),
  };
}

/** Frontend and scheduler share one queue here. If only the scheduler's bound is set, it applies. */
function readOutstandingMax(settings: Settings): number {
  const frontend = settings.number('frontend.max_outstanding_per_tenant');
  const scheduler = settings.number('query_scheduler.max_outstanding_requests_per_tenant');
  const isSet = (block: string, key: string) => settings.below(block).has(key);
  const isOwn = isSet('frontend', 'max_outstanding_per_tenant');
  return isSet('query_scheduler', 'max_outstanding_requests_per_tenant') && !isOwn ? scheduler : frontend;
}

function readQueryRange(settings: Settings): QueryRangeConfig {
  return {
    alignQueriesWithStep: settings.flag('query_range.align_queries_with_step'),
    maxRetries: settings.number('query_range.max_retries'),
    shardAggregations: settings
      .text('query_range.shard_aggregations')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    parallelise: settings.flag('query_range.parallelise_shardable_queries'),
    caches: readCaches(settings),
  };
}

function readCompactor(settings: Settings, ring: RingConfig, notices: ConfigNotice[]): CompactorConfig {
  return {
    compactionIntervalMs: settings.durationMs('compactor.compaction_interval'),
    retentionEnabled: settings.flag('compactor.retention_enabled'),
    retentionDeleteDelayMs: settings.durationMs('compactor.retention_delete_delay'),
    retentionShareMax: settings.number('compactor.retention_max_share'),
    deleteRequestStore: settings.text('compactor.delete_request_store'),
    deleteRequestCancelPeriodMs: settings.durationMs('compactor.delete_request_cancel_period'),
    deleteMaxIntervalMs: settings.durationMs('compactor.delete_max_interval'),
    ring: readMemberRing(settings, 'compactor.compactor_ring', ring, notices),
  };
}

function readRuler(
  settings: Settings,
  dataDirectory: string,
  ring: RingConfig,
  notices: ConfigNotice[],
): RulerConfig {
  const labels = settings.raw('ruler.external_labels') ?? {};
  if (typeof labels !== 'object' || Array.isArray(labels)) {
    throw new ConfigError('ruler.external_labels is not a mapping');
  }
  const evaluationMode = settings.text('ruler.evaluation.mode');
  if (evaluationMode !== 'local' && evaluationMode !== 'remote') {
    throw new ConfigError(
      `invalid ruler.evaluation.mode ${JSON.stringify(evaluationMode)}: use local or remote`,
    );
  }
  const shardingStrategy = settings.text('ruler.sharding_strategy');
  if (shardingStrategy !== 'default' && shardingStrategy !== 'shuffle-sharding') {
    throw new ConfigError(
      `invalid ruler.sharding_strategy ${JSON.stringify(shardingStrategy)}: use default or shuffle-sharding`,
    );
  }
  return {
    enableApi: settings.flag('ruler.enable_api'),
    evaluationIntervalMs: settings.durationMs('ruler.evaluation_interval'),
    pollIntervalMs: settings.durationMs('ruler.poll_interval'),
    rulePath: settings.text('ruler.rule_path') || `${dataDirectory}/rules-temp`,
    alertmanagerUrls: addresses(settings.text('ruler.alertmanager_url')),
    alertmanagerBasicAuth: {
      username: settings.text('ruler.alertmanager_client.basic_auth_username'),
      password: settings.text('ruler.alertmanager_client.basic_auth_password'),
    },
    alertmanagerToken: {
      type: settings.text('ruler.alertmanager_client.type'),
      credentials: settings.text('ruler.alertmanager_client.credentials'),
      credentialsFile: settings.text('ruler.alertmanager_client.credentials_file'),
    },
    alertRelabelConfigs: settings.raw('ruler.alert_relabel_configs'),
    datasourceUid: settings.text('ruler.datasource_uid'),
    externalUrl: settings.text('ruler.external_url'),
    externalLabels: new Map(Object.entries(labels as object).map(([name, value]) => [name, String(value)])),
    notificationQueueCapacity: settings.number('ruler.notification_queue_capacity'),
    notificationTimeoutMs: settings.durationMs('ruler.notification_timeout'),
    forOutageToleranceMs: settings.durationMs('ruler.for_outage_tolerance'),
    forGracePeriodMs: settings.durationMs('ruler.for_grace_period'),
    resendDelayMs: settings.durationMs('ruler.resend_delay'),
    enableSharding: settings.flag('ruler.enable_sharding'),
    isShuffled: shardingStrategy === 'shuffle-sharding',
    ring: readMemberRing(settings, 'ruler.ring', ring, notices),
    evaluation: {
      isRemote: evaluationMode === 'remote',
      maxJitterMs: settings.durationMs('ruler.evaluation.max_jitter'),
      frontendAddress: settings.text('ruler.evaluation.query_frontend.address'),
    },
    enabledTenants: addresses(settings.text('ruler.enabled_tenants')),
    disabledTenants: addresses(settings.text('ruler.disabled_tenants')),
    remoteWriteEnabled: settings.flag('ruler.remote_write.enabled'),
    remoteWriteAddOrgId: settings.flag('ruler.remote_write.add_org_id_header'),
    remoteWriteClients: settings.raw('ruler.remote_write.clients'),
    walDirectory: path.resolve(dataDirectory, settings.text('ruler.wal.dir') || 'ruler-wal'),
    walMaxAgeMs: settings.durationMs('ruler.wal.max_age'),
    storage: readRulerStorage(settings, dataDirectory, notices),
    rulesAreFiles: rulesAreFiles(settings),
  };
}
