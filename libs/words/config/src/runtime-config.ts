/** Limits of tenants with their overrides, reloaded at run time. */
import { hash } from 'node:crypto';
import type { Logger, TimerHandle, Timers } from '@loki/ports';
import { ConfigError } from './config-error.ts';
import type { LimitContext } from './limit-reader.ts';
import type { Limits, LimitsSource } from './limits.ts';
import { buildLimits } from './read-limits.ts';
import { readOverrides } from './read-overrides.ts';
import type { OverridesBatch, OverridesReader, OverridesRequest } from './read-overrides.ts';
import type { SettingValue } from './scalars.ts';
import { tenantValuesFromJson } from './tenant-values.ts';

export interface RuntimeConfigOptions {
  /** Merged in order; if several files name a tenant, the last one's block applies. */
  readonly files: readonly string[];
  readonly periodMs: number;
  /** The text of a file, or undefined when there is none. */
  readonly readText: (path: string) => Promise<string | undefined>;
  /** Reads changed files. Absent: this thread reads them, and a large file blocks it for seconds. */
  readonly readOverrides?: OverridesReader;
  readonly timers: Timers;
  readonly logger: Logger;
  /** `limits_config`, by key; a tenant's block replaces single values. */
  readonly globalValues: ReadonlyMap<string, SettingValue>;
  readonly limitContext: LimitContext;
  /** Called after each attempt, for gauges. */
  readonly onReload?: (outcome: { readonly isSuccessful: boolean; readonly sha256: string }) => void;
}

/** Operational switches of one tenant (`configs:`), by Loki's names. */
type TenantSwitches = ReadonlyMap<string, boolean | readonly string[]>;

/** A tenant's overrides: text until the first use, limits from then on. */
interface TenantOverrides {
  readonly json: string;
  limits?: Limits;
}

interface Loaded {
  readonly tenants: ReadonlyMap<string, TenantOverrides>;
  /** JSON of [name, value] pairs. */
  readonly switches: ReadonlyMap<string, string>;
  /** Number of tenants of each file with overrides; a file that suddenly has none is refused. */
  readonly tenantsByFile: ReadonlyMap<string, number>;
  readonly memo: OverridesRequest['memo'];
}

const unloaded: Loaded = {
  tenants: new Map(),
  switches: new Map(),
  tenantsByFile: new Map(),
  memo: undefined,
};

/**
 * Limits of each tenant: the global limits, with the tenant's overrides where it has some. The files are read
 * again every period; a bad file changes only a gauge and writes a log line. A tenant whose block did not
 * change keeps the same Limits object.
 */
export class RuntimeConfig implements LimitsSource {
  readonly #options: RuntimeConfigOptions;
  readonly #global: Limits;
  #loaded: Loaded = unloaded;
  #sha256 = '';
  #isLastReloadSuccessful = true;
  #timer: TimerHandle | undefined;
  #isStopped = false;

  /** @throws ConfigError when the global limits are invalid */
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
    const overrides = this.#loaded.tenants.get(tenant);
    if (overrides === undefined) return this.#global;
    return (overrides.limits ??= this.#build(overrides.json));
  }

  /** The limits of tenants without overrides. */
  get global(): Limits {
    return this.#global;
  }

  /** The values behind `forTenant`, by key, for display. */
  valuesForTenant(tenant: string): ReadonlyMap<string, SettingValue> {
    const overrides = this.#loaded.tenants.get(tenant);
    if (overrides === undefined) return this.#options.globalValues;
    return new Map([...this.#options.globalValues, ...tenantValuesFromJson(overrides.json)]);
  }

  /** A tenant's operational switches; empty when it has none. */
  switchesForTenant(tenant: string): TenantSwitches {
    const json = this.#loaded.switches.get(tenant) ?? '[]';
    return new Map(JSON.parse(json) as [string, boolean | readonly string[]][]);
  }

  /** Tenants that have overrides, sorted. */
  get tenants(): readonly string[] {
    return [...this.#loaded.tenants.keys()].sort();
  }

  get isLastReloadSuccessful(): boolean {
    return this.#isLastReloadSuccessful;
  }

  /** SHA-256 of the files in force, hexadecimal; '' before the first load. */
  get sha256(): string {
    return this.#sha256;
  }

  /** Reads the files once more; after a failure the last good overrides stay; it is logged, never thrown. */
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
    const files: { file: string; text: string }[] = [];
    for (const file of this.#options.files) files.push({ file, text: await this.#read(file) });
    const sha256 = hash('sha256', files.map(({ text }) => text).join(''));
    if (sha256 !== this.#sha256) {
      this.#loaded = await this.#parse(files);
      this.#sha256 = sha256;
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

  async #parse(files: OverridesRequest['files']): Promise<Loaded> {
    const { globalValues, limitContext, logger } = this.#options;
    const { checks, ...context } = limitContext;
    const previous = this.#loaded;
    const tenants = new Map<string, TenantOverrides>();
    const switches = new Map<string, string>();
    const onBatch = (batch: OverridesBatch) => {
      for (const [tenant, json] of batch.limits) {
        const overrides = previous.tenants.get(tenant);
        tenants.set(tenant, overrides?.json === json ? overrides : { json });
      }
      for (const [tenant, json] of batch.switches) switches.set(tenant, json);
    };
    const request = { files, globalValues, limitContext: context, memo: previous.memo };
    const read = this.#options.readOverrides ?? (async (...args) => readOverrides(...args, checks));
    const { warnings, tenantsByFile, memo } = await read(request, onBatch);
    checkNotEmptied(previous, tenantsByFile);
    for (const warning of warnings) logger.warn(warning);
    return { tenants, switches, tenantsByFile, memo };
  }

  /** Builds limits that the reader has checked already. */
  #build(json: string): Limits {
    const values = new Map([...this.#options.globalValues, ...tenantValuesFromJson(json)]);
    const { checks: _, ...context } = this.#options.limitContext;
    return buildLimits(values, context);
  }
}

/**
 * Refuses a file that lost all its overrides: it was truncated, or is just being written.
 *
 * @throws ConfigError, so that the last good overrides stay
 */
function checkNotEmptied(previous: Loaded, tenantsByFile: ReadonlyMap<string, number>): void {
  const emptied: string[] = [];
  for (const [file, count] of previous.tenantsByFile) {
    if (count > 0 && !tenantsByFile.has(file)) emptied.push(file);
  }
  if (emptied.length === 0) return;
  throw new ConfigError(
    `${emptied.join(', ')}: the file has no overrides any more; the last good ones stay in force (to remove all, write overrides: {})`,
  );
}
