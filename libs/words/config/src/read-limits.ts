/** Builds the typed limits of a tenant from configuration values. */
import { parsePrometheusDuration } from '@loki/go';
import { mib } from '@loki/model';
import { ConfigError } from './config-error.ts';
import type {
  BlockedQuery,
  Limits,
  OtlpAction,
  OtlpAttributesConfig,
  PolicySelector,
  RetentionStream,
} from './limits.ts';
import type { SettingValue } from './scalars.ts';
import { schema } from './schema.ts';
import { defaultValue } from './settings.ts';

const prefix = 'limits_config.';
const dayMs = 86_400_000;

/** The shortest retention there is: data is dropped by whole days. */
const retentionMinMs = dayMs;

/** Settings outside of `limits_config` that limits depend on. */
export interface LimitContext {
  /** `ingester.max_returned_stream_errors`. */
  readonly maxReturnedStreamErrors: number;
  /** `query_range.shard_aggregations`: they hold for all tenants. */
  readonly shardAggregations?: readonly string[];
  /** Absent: selectors and patterns are not checked. */
  readonly checks?: LimitSyntaxChecks;
}

/** Checks of the languages that limits are written in. Each throws an Error that names the fault. */
export interface LimitSyntaxChecks {
  /** A selector of streams. `{}` selects all. */
  selector(text: string): void;
  /** A regular expression. */
  pattern(text: string): void;
}

/**
 * Typed limits from values by key path below `limits_config`; absent keys have their defaults.
 *
 * @throws ConfigError for an invalid value
 */
export function buildLimits(values: ReadonlyMap<string, SettingValue>, context: LimitContext): Limits {
  return limitsFrom(new LimitReader(values, context.checks), context);
}

function limitsFrom(read: LimitReader, context: LimitContext): Limits {
  return {
    ingestionRateStrategy: read.oneOf('ingestion_rate_strategy', ['global', 'local']),
    ingestionRateBytes: read.number('ingestion_rate_mb') * mib,
    ingestionBurstBytes: Math.floor(read.number('ingestion_burst_size_mb') * mib),
    maxLabelNameLength: read.number('max_label_name_length'),
    maxLabelValueLength: read.number('max_label_value_length'),
    maxLabelNamesPerSeries: read.number('max_label_names_per_series'),
    rejectOldSamples: read.flag('reject_old_samples'),
    rejectOldSamplesMaxAgeMs: read.ms('reject_old_samples_max_age'),
    creationGracePeriodMs: read.ms('creation_grace_period'),
    maxLineSizeBytes: read.number('max_line_size'),
    maxLineSizeTruncate: read.flag('max_line_size_truncate'),
    maxLineSizeTruncateIdentifier: read.text('max_line_size_truncate_identifier'),
    incrementDuplicateTimestamp: read.flag('increment_duplicate_timestamp'),
    discoverServiceName: read.list('discover_service_name'),
    discoverLogLevels: read.flag('discover_log_levels'),
    logLevelFields: read.list('log_level_fields'),
    logLevelFromJsonMaxDepth: read.number('log_level_from_json_max_depth'),
    discoverGenericFields: read.listMap('discover_generic_fields.fields'),
    maxStreamsPerUser: read.number('max_streams_per_user'),
    maxGlobalStreamsPerUser: read.number('max_global_streams_per_user'),
    perStreamRateLimitBytes: read.number('per_stream_rate_limit'),
    perStreamRateLimitBurstBytes: read.number('per_stream_rate_limit_burst'),
    shardStreams: {
      enabled: read.flag('shard_streams.enabled'),
      desiredRateBytes: read.number('shard_streams.desired_rate'),
    },
    allowStructuredMetadata: read.flag('allow_structured_metadata'),
    maxStructuredMetadataSizeBytes: read.number('max_structured_metadata_size'),
    maxStructuredMetadataEntriesCount: read.number('max_structured_metadata_entries_count'),
    otlp: {
      resourceAttributes: {
        ignoreDefaults: read.flag('otlp_config.resource_attributes.ignore_defaults'),
        attributesConfig: read.attributes('otlp_config.resource_attributes.attributes_config'),
      },
      scopeAttributes: read.attributes('otlp_config.scope_attributes'),
      logAttributes: read.attributes('otlp_config.log_attributes'),
      severityTextAsLabel: read.flag('otlp_config.severity_text_as_label'),
    },
    blockIngestionUntilMs: read.number('block_ingestion_until'),
    blockIngestionStatusCode: read.number('block_ingestion_status_code'),
    enforcedLabels: read.list('enforced_labels'),
    policyStreamMapping: read.policies('policy_stream_mapping'),
    policyEnforcedLabels: read.listMap('policy_enforced_labels'),
    blockIngestionPolicyUntilMs: read.times('block_ingestion_policy_until'),
    ingestionPartitionsTenantShardSize: read.number('ingestion_partitions_tenant_shard_size'),
    maxReturnedStreamErrors: context.maxReturnedStreamErrors,

    maxQuerySeries: read.number('max_query_series'),
    maxQueryMemoryBytes: read.number('max_query_memory'),
    queryWarningsEnabled: read.flag('query_warnings_enabled'),
    maxQueryLookbackMs: read.ms('max_query_lookback'),
    maxQueryLengthMs: read.ms('max_query_length'),
    maxQueryRangeMs: read.ms('max_query_range'),
    maxQueryParallelism: read.number('max_query_parallelism'),
    tsdbMaxQueryParallelism: read.number('tsdb_max_query_parallelism'),
    tsdbMaxBytesPerShard: read.number('tsdb_max_bytes_per_shard'),
    tsdbShardingStrategy: read.oneOf('tsdb_sharding_strategy', ['power_of_two', 'bounded']),
    minShardingLookbackMs: read.ms('min_sharding_lookback'),
    maxQueriersPerTenant: read.number('max_queriers_per_tenant'),
    maxQueryCapacity: read.number('max_query_capacity'),
    maxStreamsMatchersPerQuery: read.number('max_streams_matchers_per_query'),
    maxConcurrentTailRequests: read.number('max_concurrent_tail_requests'),
    maxEntriesLimitPerQuery: read.number('max_entries_limit_per_query'),
    queryTimeoutMs: read.ms('query_timeout'),
    maxQueryBytesRead: read.number('max_query_bytes_read'),
    maxQuerierBytesRead: read.number('max_querier_bytes_read'),
    maxCacheFreshnessMs: read.ms('max_cache_freshness_per_query'),
    maxMetadataCacheFreshnessMs: read.ms('max_metadata_cache_freshness'),
    maxStatsCacheFreshnessMs: read.ms('max_stats_cache_freshness'),
    splitQueriesByIntervalMs: read.ms('split_queries_by_interval'),
    splitInstantMetricQueriesByIntervalMs: read.ms('split_instant_metric_queries_by_interval'),
    splitIngesterQueriesByIntervalMs: read.ms('split_ingester_queries_by_interval'),
    splitMetadataQueriesByIntervalMs: read.ms('split_metadata_queries_by_interval'),
    splitRecentMetadataQueriesByIntervalMs: read.ms('split_recent_metadata_queries_by_interval'),
    recentMetadataQueryWindowMs: read.ms('recent_metadata_query_window'),
    requiredLabels: read.list('required_labels'),
    minimumLabelsNumber: read.number('minimum_labels_number'),
    blockedQueries: read.blockedQueries('blocked_queries'),
    volumeEnabled: read.flag('volume_enabled'),
    volumeMaxSeries: read.number('volume_max_series'),
    shardAggregations: [...(context.shardAggregations ?? []), ...read.list('shard_aggregations')],

    retentionPeriodMs: read.retention('retention_period'),
    retentionStreams: read.retentionStreams('retention_stream'),
    deletionMode: read.oneOf('deletion_mode', ['disabled', 'filter-only', 'filter-and-delete']),
    rulerMaxRulesPerRuleGroup: read.number('ruler_max_rules_per_rule_group'),
    rulerMaxRuleGroupsPerTenant: read.number('ruler_max_rule_groups_per_tenant'),
    rulerTenantShardSize: read.number('ruler_tenant_shard_size'),
    rulerRemoteEvaluationTimeoutMs: read.ms('ruler_remote_evaluation_timeout'),
    rulerRemoteEvaluationBytesMax: read.number('ruler_remote_evaluation_max_response_size'),
    rulerRemoteWriteDisabled: read.flag('ruler_remote_write_disabled') === true,
    rulerRemoteWriteConfig: read.raw('ruler_remote_write_config'),
  };
}

/** Keys of `limits_config` in the order of the table, with their kinds. */
export function limitKeys(): readonly string[] {
  const keys: string[] = [];
  for (const path of schema().byPath.keys()) {
    if (path.startsWith(prefix)) keys.push(path.slice(prefix.length));
  }
  return keys;
}

let keysRead: ReadonlySet<string> | undefined;

/** Keys of `limits_config` that limits use; others are accepted without effect. */
export function limitKeysRead(): ReadonlySet<string> {
  if (!keysRead) {
    const read = new LimitReader(new Map());
    limitsFrom(read, { maxReturnedStreamErrors: 0 });
    keysRead = read.keys;
  }
  return keysRead;
}

class LimitReader {
  readonly keys = new Set<string>();
  readonly #values: ReadonlyMap<string, SettingValue>;
  readonly #checks: LimitSyntaxChecks | undefined;

  constructor(values: ReadonlyMap<string, SettingValue>, checks?: LimitSyntaxChecks) {
    this.#values = values;
    this.#checks = checks;
  }

  #get(key: string): SettingValue {
    this.keys.add(key);
    return this.#values.has(key) ? this.#values.get(key) : defaultValue(schema().byPath.get(prefix + key)!);
  }

  number(key: string): number {
    const value = this.#get(key) as number;
    if (value < 0) throw new ConfigError(`limits_config.${key} must not be negative`);
    return value;
  }

  flag(key: string): boolean {
    return this.#get(key) as boolean;
  }

  text(key: string): string {
    return this.#get(key) as string;
  }

  /** The value as written; its user checks it. */
  raw(key: string): unknown {
    return this.#get(key);
  }

  list(key: string): readonly string[] {
    return this.#get(key) as readonly string[];
  }

  ms(key: string): number {
    return Number(this.#get(key) as bigint) / 1e6;
  }

  oneOf<T extends string>(key: string, allowed: readonly T[]): T {
    const value = this.text(key);
    if (!(allowed as readonly string[]).includes(value)) {
      throw new ConfigError(
        `limits_config.${key}: ${JSON.stringify(value)} is none of ${allowed.join(', ')}`,
      );
    }
    return value as T;
  }

  retention(key: string): number {
    const ms = this.ms(key);
    if (ms !== 0 && ms < retentionMinMs) throw new ConfigError('retention period must be >= 24h');
    return ms;
  }

  listMap(key: string): ReadonlyMap<string, readonly string[]> {
    return new Map(entriesOf(this.#get(key), key).map(([name, value]) => [name, strings(value, key)]));
  }

  policies(key: string): readonly PolicySelector[] {
    return entriesOf(this.#get(key), key).flatMap(([policy, items]) =>
      itemsOf(items, `${key}.${policy}`).map((item) => {
        const priority = Number(item['priority'] ?? 0);
        if (!Number.isInteger(priority)) {
          throw new ConfigError(`limits_config.${key}.${policy}.priority is not a whole number`);
        }
        return { policy, selector: this.#selector(item, `${key}.${policy}`), priority };
      }),
    );
  }

  times(key: string): ReadonlyMap<string, number> {
    return new Map(
      entriesOf(this.#get(key), key).map(([name, value]) => {
        const ms = Date.parse(value instanceof Date ? value.toISOString() : string(value, `${key}.${name}`));
        if (Number.isNaN(ms)) {
          throw new ConfigError(`limits_config.${key}.${name} is not a time in RFC 3339 form`);
        }
        return [name, ms];
      }),
    );
  }

  retentionStreams(key: string): readonly RetentionStream[] {
    return itemsOf(this.#get(key), key).map((item) => {
      const periodMs = duration(item['period'], `${key}.period`);
      if (periodMs < retentionMinMs) throw new ConfigError('retention period must be >= 24h');
      const priority = Number(item['priority'] ?? 0);
      if (!Number.isInteger(priority)) {
        throw new ConfigError(`limits_config.${key}.priority is not a whole number`);
      }
      return { selector: this.#selector(item, key), priority, periodMs };
    });
  }

  blockedQueries(key: string): readonly BlockedQuery[] {
    return itemsOf(this.#get(key), key).map((item) => {
      const pattern = item['pattern'] === undefined ? '' : string(item['pattern'], `${key}.pattern`);
      const regex = item['regex'] === true;
      if (regex) this.#check('pattern', pattern, `${key}.pattern`);
      const tags = entriesOf(item['tags'], `${key}.tags`).map(
        ([name, value]) => [name, String(value)] as const,
      );
      return {
        pattern,
        regex,
        hash: Number(item['hash'] ?? 0),
        types: typesOf(item['types'], `${key}.types`),
        tags: new Map(tags),
      };
    });
  }

  #selector(item: Readonly<Record<string, unknown>>, key: string): string {
    const text = string(item['selector'], `${key}.selector`);
    this.#check('selector', text, `${key}.selector`);
    return text;
  }

  #check(kind: keyof LimitSyntaxChecks, text: string, key: string): void {
    try {
      this.#checks?.[kind](text);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ConfigError(`limits_config.${key}: ${JSON.stringify(text)}: ${reason}`, { cause: error });
    }
  }

  attributes(key: string): readonly OtlpAttributesConfig[] {
    return itemsOf(this.#get(key), key).map((item) => {
      const action = string(item['action'], `${key}.action`);
      if (!['index_label', 'structured_metadata', 'drop'].includes(action)) {
        throw new ConfigError(`limits_config.${key}: unsupported action ${JSON.stringify(action)}`);
      }
      const attributes =
        item['attributes'] === undefined ? [] : strings(item['attributes'], `${key}.attributes`);
      const regex = item['regex'] === undefined ? '' : string(item['regex'], `${key}.regex`);
      if ((attributes.length === 0) === (regex === '')) {
        throw new ConfigError(`limits_config.${key}: either attributes or regex must be set`);
      }
      if (regex !== '') this.#check('pattern', regex, `${key}.regex`);
      return { action: action as OtlpAction, attributes, regex };
    });
  }
}

function itemsOf(value: unknown, key: string): readonly Record<string, unknown>[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'object' || item === null)) {
    throw new ConfigError(`limits_config.${key} is not a list of mappings`);
  }
  return value as Record<string, unknown>[];
}

function entriesOf(value: unknown, key: string): [string, unknown][] {
  if (value === undefined || value === null) return [];
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new ConfigError(`limits_config.${key} is not a mapping`);
  }
  return Object.entries(value);
}

/** A list, or one text with commas. */
function typesOf(value: unknown, key: string): readonly string[] {
  if (value === undefined || value === null) return [];
  return typeof value === 'string' ? value.split(',').map((part) => part.trim()) : strings(value, key);
}

function strings(value: unknown, key: string): readonly string[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new ConfigError(`limits_config.${key} is not a list`);
  return value.map((item) => string(item, key));
}

function string(value: unknown, key: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new ConfigError(`limits_config.${key} is missing or not a text`);
}

function duration(value: unknown, key: string): number {
  const text = string(value, key);
  const ns = parsePrometheusDuration(text);
  if (ns === undefined) {
    throw new ConfigError(`limits_config.${key}: not a valid duration string: ${JSON.stringify(text)}`);
  }
  return Number(ns) / 1e6;
}
