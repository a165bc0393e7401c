/**
 * Reads overrides files into one text for each tenant; the runtime configuration builds a tenant's limits
 * from its text at the first use.
 */
import { hash } from 'node:crypto';
import { isMap, isScalar } from 'yaml';
import type { Node } from 'yaml';
import { ConfigError } from './config-error.ts';
import type { LimitSyntaxChecks, LimitContext } from './limit-reader.ts';
import { withReasons } from './no-effect.ts';
import { buildLimits, limitKeysRead } from './read-limits.ts';
import type { SettingValue } from './scalars.ts';
import { splitOverrides } from './split-overrides.ts';
import { tenantValuesToJson } from './tenant-values.ts';
import { isNull, pairsOf, parseYamlFile, readLimitsNode, scalarText } from './yaml-file.ts';
import type { YamlFile } from './yaml-file.ts';

/** Structured-cloneable: a worker thread reads large files. */
export interface OverridesRequest {
  /** In order; if several files name a tenant, the last one's block applies. */
  readonly files: readonly { readonly file: string; readonly text: string }[];
  /** `limits_config`, by key; a tenant's block replaces single values. */
  readonly globalValues: ReadonlyMap<string, SettingValue>;
  readonly limitContext: Omit<LimitContext, 'checks'>;
  /** The memo of the last reading: its blocks are not parsed again. */
  readonly memo: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Some tenants of a file: the reader passes on a few at a time, so that the receiver is never blocked for
 * long.
 */
export interface OverridesBatch {
  /** A tenant's limits, as `tenantValuesFromJson` reads them. */
  readonly limits: readonly (readonly [tenant: string, json: string])[];
  /** A tenant's operational switches (`configs:`), JSON of [name, value] pairs. */
  readonly switches: readonly (readonly [tenant: string, json: string])[];
}

/** The result of reading overrides files, besides the tenants' values. */
export interface OverridesSummary {
  readonly warnings: readonly string[];
  /** Number of tenants by file, for files with a mapping below `overrides:` (also an empty one). */
  readonly tenantsByFile: ReadonlyMap<string, number>;
  readonly memo: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Reads overrides files, large ones in a worker thread, and passes on their tenants in batches, so that a
 * file of many tenants does not block its receiver. Rejects with a ConfigError when any file has a fault;
 * then no batch of the request counts.
 */
export type OverridesReader = (
  request: OverridesRequest,
  onBatch: (batch: OverridesBatch) => void,
) => Promise<OverridesSummary>;

/** Keys that an overrides file may have at its root. */
const rootKeys = ['overrides', 'configs', 'multi_kv_config'];

/** Tenants of one batch: taking one in costs a receiver a millisecond or two. */
const batchTenants = 500;

/**
 * Log lines of one reading, so that a mistake in each of 20,000 blocks is reported but does not flood the
 * log.
 */
const warningsMax = 20;

/** One tenant's block, read and checked. */
interface TenantBlock {
  readonly tenant: string;
  /** The tenant's own limits, in the form of a batch. */
  readonly json: string;
  readonly notices: readonly string[];
  /** Keys without effect here. */
  readonly unused: readonly string[];
}

/**
 * Reads all files in this thread: about 50 µs a tenant, less for blocks of the memo.
 *
 * @throws ConfigError for a file that cannot be read, or invalid limits
 */
export function readOverrides(
  request: OverridesRequest,
  onBatch: (batch: OverridesBatch) => void,
  checks?: LimitSyntaxChecks,
): OverridesSummary {
  return new Reading(request, onBatch, checks).run();
}

class Reading {
  readonly #request: OverridesRequest;
  readonly #onBatch: (batch: OverridesBatch) => void;
  readonly #context: LimitContext;
  readonly #cached: ReadonlyMap<string, TenantBlock>;
  readonly #memo = new Map<string, TenantBlock>();
  /** Limits that were checked already, as JSON. */
  readonly #sound = new Set<string>();
  readonly #notices: string[] = [];
  readonly #unused = new Set<string>();
  readonly #tenantsByFile = new Map<string, number>();
  #limits: [tenant: string, json: string][] = [];
  #switches: [tenant: string, json: string][] = [];

  constructor(
    request: OverridesRequest,
    onBatch: (batch: OverridesBatch) => void,
    checks?: LimitSyntaxChecks,
  ) {
    this.#request = request;
    this.#onBatch = onBatch;
    this.#context = { ...request.limitContext, checks };
    this.#cached = memoFromBytes(request.memo);
  }

  run(): OverridesSummary {
    for (const { file, text } of this.#request.files) {
      if (!this.#readPieces(file, text)) this.#readWhole(file, text);
    }
    this.#flush();
    return {
      warnings: this.#warnings(),
      tenantsByFile: this.#tenantsByFile,
      memo: memoToBytes(this.#memo),
    };
  }

  /**
   * Reads the file tenant by tenant. False, without any effect, when the file cannot be cut between tenants
   * or has a fault: reading it as a whole gives the exact error.
   */
  #readPieces(file: string, text: string): boolean {
    const split = splitOverrides(text);
    if (split === undefined) return false;
    const blocks: TenantBlock[] = [];
    try {
      const root = rootOf(parseYamlFile(file, split.remainder));
      for (const { text: piece, linesBefore } of split.pieces) {
        const key = hash('sha256', piece, 'base64');
        const block = this.#cached.get(key) ?? this.#piece(file, piece, linesBefore);
        // A notice names a line number, which another block may move: such blocks are read again.
        if (block.notices.length === 0) this.#memo.set(key, block);
        blocks.push(block);
      }
      if (new Set(blocks.map((block) => block.tenant)).size < blocks.length) return false;
      for (const [name, node] of root) if (name !== 'overrides') this.#section(file, name, node);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return false;
    }
    if (blocks.length > 0) this.#tenantsByFile.set(file, blocks.length);
    for (const block of blocks) this.#take(block);
    return true;
  }

  #piece(file: string, text: string, linesBefore: number): TenantBlock {
    const source = parseYamlFile(file, text, linesBefore);
    const [[tenant, node]] = entriesOf(source.document.contents, file, 'overrides');
    return this.#block(source, tenant, node);
  }

  #readWhole(file: string, text: string): void {
    const source = parseYamlFile(file, text);
    for (const [name, node] of rootOf(source)) {
      if (name === 'overrides') {
        const blocks = entriesOf(node, file, name);
        if (!isNull(node)) this.#tenantsByFile.set(file, blocks.length);
        for (const [tenant, block] of blocks) {
          this.#take(this.#block(source, tenant, block));
        }
      } else {
        this.#section(file, name, node);
      }
    }
  }

  #section(file: string, name: string, node: unknown): void {
    for (const [tenant, block] of entriesOf(node, file, name)) {
      if (name !== 'configs') continue;
      this.#switches.push([tenant, JSON.stringify(readSwitches(block))]);
      this.#flushWhenFull();
    }
  }

  #block(source: YamlFile, tenant: string, node: unknown): TenantBlock {
    const read = readLimitsNode(source, node as Node | null, `overrides of ${tenant}`);
    const values = new Map(
      [...read.values].map(([path, value]) => [path.slice('limits_config.'.length), value]),
    );
    const json = tenantValuesToJson(values);
    if (!this.#sound.has(json)) {
      this.#check(tenant, values);
      this.#sound.add(json);
    }
    return {
      tenant,
      json,
      notices: read.notices.map((notice) => notice.message),
      unused: [...values.keys()].filter((key) => !limitKeysRead().has(key)),
    };
  }

  #check(tenant: string, values: ReadonlyMap<string, SettingValue>): void {
    try {
      buildLimits(new Map([...this.#request.globalValues, ...values]), this.#context);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(`overrides of tenant ${tenant}: ${error.message}`, { cause: error });
    }
  }

  #take({ tenant, json, notices, unused }: TenantBlock): void {
    this.#limits.push([tenant, json]);
    this.#notices.push(...notices);
    for (const key of unused) this.#unused.add(`limits_config.${key}`);
    this.#flushWhenFull();
  }

  #flushWhenFull(): void {
    if (this.#limits.length + this.#switches.length >= batchTenants) this.#flush();
  }

  #flush(): void {
    if (this.#limits.length + this.#switches.length > 0) {
      this.#onBatch({ limits: this.#limits, switches: this.#switches });
    }
    this.#limits = [];
    this.#switches = [];
  }

  #warnings(): string[] {
    const warnings = this.#notices.slice(0, warningsMax);
    if (this.#notices.length > warningsMax) {
      warnings.push(`overrides: ${this.#notices.length - warningsMax} more of such warnings`);
    }
    if (this.#unused.size > 0) {
      warnings.push(`overrides: accepted, no effect: ${withReasons([...this.#unused].sort())}`);
    }
    return warnings;
  }
}

/** Entries of the root; an unknown key is an error. */
function rootOf(source: YamlFile): [name: string, node: unknown][] {
  const root: unknown = source.document.contents;
  if (!isNull(root) && !isMap(root)) {
    throw new ConfigError(`failed parsing config: ${source.file}: the file is not a mapping`);
  }
  const entries = entriesOf(root);
  for (const [name] of entries) {
    if (!rootKeys.includes(name)) {
      throw new ConfigError(
        `failed parsing config: ${source.file}: field ${name} not found in type runtime.Values`,
      );
    }
  }
  return entries;
}

function entriesOf(node: unknown, file = '', name = ''): [string, unknown][] {
  if (isNull(node)) return [];
  if (!isMap(node)) throw new ConfigError(`failed parsing config: ${file}: ${name} is not a mapping`);
  return pairsOf(node, (value) => value).map((pair) => [scalarText(pair.key), pair.value]);
}

function readSwitches(node: unknown): [string, boolean | readonly string[]][] {
  const switches: [string, boolean | readonly string[]][] = [];
  for (const [name, value] of entriesOf(node)) {
    if (isScalar(value)) switches.push([name, value.value === true]);
    else if (!isNull(value)) switches.push([name, (value as { toJSON(): readonly string[] }).toJSON()]);
  }
  return switches;
}

function memoToBytes(memo: ReadonlyMap<string, TenantBlock>): Uint8Array<ArrayBuffer> | undefined {
  return memo.size === 0 ? undefined : new TextEncoder().encode(JSON.stringify([...memo]));
}

function memoFromBytes(bytes: Uint8Array | undefined): Map<string, TenantBlock> {
  if (bytes === undefined) return new Map();
  return new Map(JSON.parse(new TextDecoder().decode(bytes)) as [string, TenantBlock][]);
}
