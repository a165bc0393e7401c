/** Configuration: files, flags, environment, limits of tenants and their overrides. */
export { ConfigError } from './config-error.ts';
export type { Component, Config, RpcPeer } from './config.ts';
export type { TlsClientConfig, TlsServerConfig } from './tls-config.ts';
export type {
  CacheConfig,
  MemcachedConfig,
  RedisConfig,
  MemberRingConfig,
  RingStoreConfig,
  StorageConfig,
} from './service-config.ts';
export { loadConfig } from './load-config.ts';
export type { ConfigSource, LoadedConfig } from './load-config.ts';
export type { Limits, LimitsSource, OtlpAction, OtlpAttributesConfig } from './limits.ts';
export { buildLimits } from './read-limits.ts';
export type { LimitSyntaxChecks } from './limit-reader.ts';
export { reasonOf } from './no-effect.ts';
export { readOverrides } from './read-overrides.ts';
export type {
  OverridesBatch,
  OverridesReader,
  OverridesRequest,
  OverridesSummary,
} from './read-overrides.ts';
export { renderConfig } from './render.ts';
export { renderLimitsYaml, visibleLimits } from './render-limits.ts';
export { RuntimeConfig } from './runtime-config.ts';
export { schema } from './schema.ts';
export type { KeySpec } from './schema.ts';
export type { Settings } from './settings.ts';
