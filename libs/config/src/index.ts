export { ConfigError } from './config-error.ts';
export type { ConfigNotice } from './config-error.ts';
export type {
  CacheConfig,
  CachedResults,
  CompactorConfig,
  Component,
  Config,
  DistributorConfig,
  FrontendConfig,
  IngesterConfig,
  KafkaConfig,
  MemcachedConfig,
  QuerierConfig,
  QueryRangeConfig,
  RedisConfig,
  MemberRingConfig,
  RingConfig,
  RingStoreConfig,
  RpcPeer,
  RulerConfig,
  S3Config,
  ServerConfig,
  StorageConfig,
  TlsClientConfig,
  TlsServerConfig,
  TracingConfig,
  WriteLogConfig,
} from './config.ts';
export { loadConfig } from './load-config.ts';
export type { ConfigWorld, LoadedConfig } from './load-config.ts';
export type {
  BlockedQuery,
  Limits,
  LimitsSource,
  OtlpAction,
  OtlpAttributesConfig,
  OtlpConfig,
  RetentionStream,
} from './limits.ts';
export { buildLimits } from './read-limits.ts';
export type { LimitChecks, LimitContext } from './read-limits.ts';
export { readOverrides } from './read-overrides.ts';
export type {
  OverridesBatch,
  OverridesReader,
  OverridesRequest,
  OverridesSummary,
} from './read-overrides.ts';
export { renderConfig } from './render.ts';
export type { RenderMode } from './render.ts';
export { renderLimitsYaml, visibleLimits } from './render-limits.ts';
export { RuntimeConfig } from './runtime-config.ts';
export type { RuntimeConfigOptions, TenantSwitches } from './runtime-config.ts';
export type { SettingValue } from './scalars.ts';
export type { Settings } from './settings.ts';
