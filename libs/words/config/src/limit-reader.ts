/** Reads the keys of one tenant's limits, each with its kind and range. */
import { parsePrometheusDuration } from '@loki/go';
import { ConfigError } from './config-error.ts';
import type {
  BlockedQuery,
  OtlpAction,
  OtlpAttributesConfig,
  PolicySelector,
  RetentionStream,
} from './limits.ts';
import type { SettingValue } from './scalars.ts';
import { schema } from './schema.ts';
import { defaultValue } from './settings.ts';

export const prefix = 'limits_config.';
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

export class LimitReader {
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
