import { createHash } from 'node:crypto';
import { isMap, isScalar } from 'yaml';
import type { Node } from 'yaml';
import type { Logger, TimerHandle, Timers } from '@loki/ports';
import { ConfigError } from './config-error.ts';
import type { Limits, LimitsSource } from './limits.ts';
import { withReasons } from './no-effect.ts';
import { buildLimits, limitKeysRead } from './read-limits.ts';
import type { LimitContext } from './read-limits.ts';
import type { SettingValue } from './scalars.ts';
import { isNull, pairsOf, parseYamlFile, readLimitsNode, scalarText } from './yaml-file.ts';

export interface RuntimeConfigOptions {
  /** Merged in order; a tenant named in several files takes the last one's block. */
  readonly files: readonly string[];
  readonly periodMs: number;
  /** The text of a file, or undefined when there is none. */
  readonly readText: (path: string) => Promise<string | undefined>;
  readonly timers: Timers;
  readonly logger: Logger;
  /** `limits_config`, by key: what each tenant's block is laid over. */
  readonly globalValues: ReadonlyMap<string, SettingValue>;
  readonly limitContext: LimitContext;
  /** Told after each attempt: gauges hang on it. */
  readonly onReload?: (outcome: { readonly isSuccessful: boolean; readonly sha256: string }) => void;
}

/** Operational switches of one tenant (`configs:`), by Loki's names. */
export type TenantSwitches = ReadonlyMap<string, boolean | readonly string[]>;

interface Loaded {
  readonly limits: ReadonlyMap<string, Limits>;
  readonly values: ReadonlyMap<string, ReadonlyMap<string, SettingValue>>;
  readonly switches: ReadonlyMap<string, TenantSwitches>;
  readonly warnings: readonly string[];
}

const nothing: Loaded = { limits: new Map(), values: new Map(), switches: new Map(), warnings: [] };

/** Keys the overrides file may have at its root. */
const rootKeys = ['overrides', 'configs', 'multi_kv_config'];

/**
 * Limits of each tenant: the global ones, or the global ones with the tenant's overrides laid over them. The files
 * are read again every period; a bad one changes nothing but a flag and a log line.
 */
export class RuntimeConfig implements LimitsSource {
  readonly #options: RuntimeConfigOptions;
  readonly #global: Limits;
  #loaded: Loaded = nothing;
  #sha256 = '';
  #isLastReloadSuccessful = true;
  #timer: TimerHandle | undefined;
  #isStopped = false;

  /** @throws ConfigError when the global limits themselves make no sense */
  constructor(options: RuntimeConfigOptions) {
    this.#options = options;
    this.#global = buildLimits(options.globalValues, options.limitContext);
  }

  /**
   * First load, then reloads until `stop`.
   *
   * @throws ConfigError when the first load fails: a start with unknown limits would be worse than none
   */
  async start(): Promise<void> {
    if (this.#options.files.length === 0) return;
    await this.#load();
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  forTenant(tenant: string): Limits {
    return this.#loaded.limits.get(tenant) ?? this.#global;
  }

  /** The limits of tenants without overrides. */
  get global(): Limits {
    return this.#global;
  }

  /** What `forTenant` was built from, by key; for showing. */
  valuesForTenant(tenant: string): ReadonlyMap<string, SettingValue> {
    return this.#loaded.values.get(tenant) ?? this.#options.globalValues;
  }

  /** A tenant's operational switches; empty when it has none. */
  switchesForTenant(tenant: string): TenantSwitches {
    return this.#loaded.switches.get(tenant) ?? new Map();
  }

  /** Tenants that have overrides, sorted. */
  get tenants(): readonly string[] {
    return [...this.#loaded.limits.keys()].sort();
  }

  get isLastReloadSuccessful(): boolean {
    return this.#isLastReloadSuccessful;
  }

  /** Of the texts in force, hexadecimal; '' before the first load. */
  get sha256(): string {
    return this.#sha256;
  }

  /** Reads the files once more; a failure keeps what was there and is logged, never thrown. */
  async reload(): Promise<void> {
    try {
      await this.#load();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#isLastReloadSuccessful = false;
      this.#options.logger.error('failed to load runtime config', { err: error.message });
      this.#options.onReload?.({ isSuccessful: false, sha256: this.#sha256 });
    }
  }

  #schedule(): void {
    this.#timer = this.#options.timers.after(this.#options.periodMs, () => {
      void this.reload().then(() => {
        if (!this.#isStopped) this.#schedule();
      });
    });
  }

  async #load(): Promise<void> {
    const texts: [file: string, text: string][] = [];
    const hash = createHash('sha256');
    for (const file of this.#options.files) {
      const text = await this.#read(file);
      texts.push([file, text]);
      hash.update(text);
    }
    const sha256 = hash.digest('hex');
    if (sha256 !== this.#sha256) {
      this.#loaded = this.#parse(texts);
      this.#sha256 = sha256;
      for (const warning of this.#loaded.warnings) this.#options.logger.warn(warning);
    }
    this.#isLastReloadSuccessful = true;
    this.#options.onReload?.({ isSuccessful: true, sha256 });
  }

  async #read(file: string): Promise<string> {
    let text: string | undefined;
    try {
      text = await this.#options.readText(file);
    } catch (error) {
      throw new ConfigError(`read ${file}: ${(error as Error).message}`, { cause: error });
    }
    if (text === undefined) throw new ConfigError(`read ${file}: no such file or directory`);
    return text;
  }

  #parse(texts: readonly [file: string, text: string][]): Loaded {
    const loaded = {
      limits: new Map<string, Limits>(),
      values: new Map<string, ReadonlyMap<string, SettingValue>>(),
      switches: new Map<string, TenantSwitches>(),
      warnings: [] as string[],
      unused: new Set<string>(),
    };
    for (const [file, text] of texts) this.#parseFile(file, text, loaded);
    const unused = [...loaded.unused].sort().map((key) => `limits_config.${key}`);
    if (unused.length > 0) loaded.warnings.push(`overrides: accepted, no effect: ${withReasons(unused)}`);
    return loaded;
  }

  #parseFile(
    file: string,
    text: string,
    loaded: {
      limits: Map<string, Limits>;
      values: Map<string, ReadonlyMap<string, SettingValue>>;
      switches: Map<string, TenantSwitches>;
      warnings: string[];
      unused: Set<string>;
    },
  ): void {
    const source = parseYamlFile(file, text);
    const root: unknown = source.document.contents;
    if (isNull(root)) return;
    if (!isMap(root)) throw new ConfigError(`failed parsing config: ${file}: the file is no mapping`);
    for (const [name, node] of entriesOf(root)) {
      if (!rootKeys.includes(name)) {
        throw new ConfigError(
          `failed parsing config: ${file}: field ${name} not found in type runtime.Values`,
        );
      }
      for (const [tenant, block] of entriesOf(node, file, name)) {
        if (name === 'configs') loaded.switches.set(tenant, readSwitches(block));
        if (name !== 'overrides') continue;
        const read = readLimitsNode(source, block as Node | null, `overrides of ${tenant}`);
        const own = new Map(
          [...read.values].map(([path, value]) => [path.slice('limits_config.'.length), value]),
        );
        for (const key of own.keys()) if (!limitKeysRead().has(key)) loaded.unused.add(key);
        const values = new Map([...this.#options.globalValues, ...own]);
        loaded.values.set(tenant, values);
        loaded.limits.set(tenant, this.#build(tenant, values));
        loaded.warnings.push(...read.notices.map((notice) => notice.message));
      }
    }
  }

  #build(tenant: string, values: ReadonlyMap<string, SettingValue>): Limits {
    try {
      return buildLimits(values, this.#options.limitContext);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(`overrides of tenant ${tenant}: ${error.message}`, { cause: error });
    }
  }
}

function entriesOf(node: unknown, file = '', name = ''): [string, unknown][] {
  if (isNull(node)) return [];
  if (!isMap(node)) throw new ConfigError(`failed parsing config: ${file}: ${name} is no mapping`);
  return pairsOf(node, (value) => value).map((pair) => [scalarText(pair.key), pair.value]);
}

function readSwitches(node: unknown): TenantSwitches {
  const switches = new Map<string, boolean | readonly string[]>();
  for (const [name, value] of entriesOf(node)) {
    if (isScalar(value)) switches.set(name, value.value === true);
    else if (!isNull(value)) switches.set(name, (value as { toJSON(): readonly string[] }).toJSON());
  }
  return switches;
}
