/** Derives the program's configuration from the settled values of all keys, and checks it. */
import { ConfigError } from './config-error.ts';
import type { ConfigNotice } from './config-error.ts';
import type { Config } from './config.ts';
import type { LimitSyntaxChecks } from './limit-reader.ts';
import { readCaches } from './read-caches.ts';
import { readGrafanaProvision } from './read-grafana-provision.ts';
import { buildLimits, limitKeysRead } from './read-limits.ts';
import { readMemberRing, readRing } from './read-ring.ts';
import { readRpcClients } from './read-rpc-clients.ts';
import { readRuler } from './read-ruler.ts';
import { readServer } from './read-server.ts';
import { readStorage } from './read-storage.ts';
import { readWriteLog } from './read-write-log.ts';
import type {
  CompactorConfig,
  DistributorConfig,
  FrontendConfig,
  IngesterConfig,
  QuerierConfig,
  QueryRangeConfig,
} from './role-config.ts';
import { addressList } from './scalars.ts';
import { checkSchemaConfig } from './schema-config.ts';
import type { RingConfig } from './service-config.ts';
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
      idleMs: settings.durationMs('worker_pool.block_cache_idle_time'),
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
    frontendAddresses: addressList(
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
    logQueryRequestHeaders: addressList(settings.text('frontend.log_query_request_headers')),
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
