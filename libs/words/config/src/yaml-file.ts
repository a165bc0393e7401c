/** Reads YAML files of configuration and overrides by the schema, with Go's error texts. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node, Pair, YAMLMap } from 'yaml';
import { mib } from '@loki/model';
import { ConfigError } from './config-error.ts';
import type { ConfigNotice } from './config-error.ts';
import { legacyKeys, legacyTargets, remoteWriteClient } from './legacy-keys.ts';
import { nestPaths } from './nest.ts';
import { parseScalar, ScalarError } from './scalars.ts';
import type { SettingValue } from './scalars.ts';
import { schema } from './schema.ts';
import type { BlockSpec, KeySpec } from './schema.ts';

/** Bytes of one configuration or overrides file. A megabyte holds some ten thousand tenants' overrides. */
const configFileBytesMax = 64 * mib;

/** Most aliases that one file may expand; more is an attack. */
const aliasesMax = 1000;

/** Deepest nesting of merge keys. */
const mergeDepthMax = 4;

/**
 * Unknown keys below these blocks are accepted with a warning: Loki ignores them, so older files may have
 * them.
 */
const lenientBlock = 'limits_config';

interface ReadYaml {
  /** In file order; a key that a merge key repeats keeps the later value. */
  readonly values: Map<string, SettingValue>;
  readonly notices: readonly ConfigNotice[];
}

/** A parsed file with the data to find the line of a node. */
export interface YamlFile {
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
  readonly file: string;
  /** Lines of the file before this text, if the text is a piece of the file. */
  readonly linesBefore: number;
}

/**
 * Parses YAML text without its meaning.
 *
 * @throws ConfigError with file and line for bad syntax, a key given twice or too large a file
 */
export function parseYamlFile(file: string, text: string, linesBefore = 0): YamlFile {
  if (text.length > configFileBytesMax) {
    throw new ConfigError(`failed parsing config: ${file}: larger than ${configFileBytesMax} bytes`);
  }
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      merge: true,
      logLevel: 'silent',
    });
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    // The parser's stack overflowed.
    throw new ConfigError(`failed parsing config: ${file}: yaml: collections nest too deep`, { cause });
  }
  const [error] = document.errors;
  if (error) {
    const line = linesBefore + lines.linePos(error.pos[0]).line;
    throw new ConfigError(`failed parsing config: ${file}: yaml: line ${line}: ${error.message}`, {
      cause: error,
    });
  }
  return { document, lines, file, linesBefore };
}

/**
 * The values of a whole configuration file.
 *
 * @throws ConfigError naming each unknown key and each unreadable value with its line
 */
export function readConfigYaml(file: string, text: string): ReadYaml {
  const walk = new Walk(parseYamlFile(file, text), schema().root);
  walk.run();
  return walk;
}

/**
 * The values of one tenant's limits, by path below `limits_config`.
 *
 * @throws ConfigError for a value that cannot be read; unknown keys become notices
 */
export function readLimitsNode(source: YamlFile, node: Node | null, place: string): ReadYaml {
  const block = schema().root.keys.get(lenientBlock) as BlockSpec;
  const walk = new Walk(source, block, place);
  walk.runNode(node);
  return walk;
}

/** Reads a tree of nodes by the schema in one pass. All faults are collected, then thrown together. */
class Walk implements ReadYaml {
  readonly values = new Map<string, SettingValue>();
  readonly notices: ConfigNotice[] = [];
  readonly #faults: string[] = [];
  readonly #source: YamlFile;
  readonly #start: BlockSpec;
  readonly #place: string;
  /** Items of lists are checked but keep their texts, because their readers expect texts. */
  readonly #isItem: boolean;

  constructor(source: YamlFile, start: BlockSpec, place = '', isItem = false) {
    this.#isItem = isItem;
    this.#source = source;
    this.#start = start;
    this.#place = place;
  }

  run(): void {
    this.runNode(this.#source.document.contents as Node | null);
  }

  runNode(node: Node | null): void {
    this.#block(node, this.#start, this.#start.path);
    if (this.#faults.length > 0) {
      throw new ConfigError(
        `failed parsing config: ${this.#source.file}: yaml: construct errors: ${this.#faults.join('; ')}`,
      );
    }
  }

  #block(node: unknown, block: BlockSpec, path: string): void {
    const map = this.#resolve(node);
    if (isNull(map)) return;
    if (!isMap(map)) {
      this.#fault(map, `cannot unmarshal ${goText(map)} into ${block.typeName}`);
      return;
    }
    for (const pair of pairsOf(map, (value) => this.#resolve(value))) {
      this.#entry(pair, block, path);
    }
  }

  #entry(pair: Pair, block: BlockSpec, path: string): void {
    const name = isScalar(pair.key) ? scalarText(pair.key) : '';
    const spec = block.keys.get(name);
    const keyPath = path === '' ? name : `${path}.${name}`;
    if (!spec) this.#unknown(pair, name, block, keyPath);
    else if (spec.node === 'block') this.#block(pair.value, spec, keyPath);
    else this.#key(pair.value, spec, keyPath);
  }

  #unknown(pair: Pair, name: string, block: BlockSpec, keyPath: string): void {
    const line = this.#line(pair.key as Node);
    const reason = legacyKeys.get(keyPath);
    const place =
      this.#place === ''
        ? `${this.#source.file}: line ${line}`
        : `${this.#source.file}: line ${line} (${this.#place})`;
    if (reason !== undefined) {
      this.notices.push({
        level: 'info',
        message: `${place}: ${keyPath} is a key of an older version: ${reason}`,
      });
      const target = legacyTargets.get(keyPath);
      if (target !== undefined && !this.values.has(target)) {
        this.#key(pair.value, schema().byPath.get(target)!, target);
      }
      if (keyPath === remoteWriteClient) {
        this.values.set('ruler.remote_write.clients', { default: this.#plain(this.#resolve(pair.value)) });
      }
    } else if (keyPath.startsWith(`${lenientBlock}.`)) {
      this.notices.push({ level: 'warn', message: `${place}: unknown limit ${keyPath} is ignored` });
    } else {
      this.#faults.push(`line ${line}: field ${name} not found in type ${block.typeName}`);
    }
  }

  #key(source: unknown, spec: KeySpec, keyPath: string): void {
    const node = this.#resolve(source);
    if (isNull(node) && spec.kind !== 'any') {
      // At a null Go's decoder does not change a field, but empties a list.
      if (spec.kind === 'list' || spec.kind === 'blocks') this.values.set(keyPath, []);
      return;
    }
    if (spec.kind === 'any') {
      this.values.set(keyPath, this.#plain(node));
    } else if (spec.kind === 'blocks') {
      this.#items(node, spec, keyPath);
    } else if (spec.kind === 'list' && isSeq(node)) {
      const items = node.items.map((item) => this.#resolve(item));
      if (items.every((item) => isScalar(item))) {
        this.values.set(
          keyPath,
          items.map((item) => scalarText(item)),
        );
      } else this.#fault(node, `cannot unmarshal ${goText(node)} into []string`);
    } else if (isScalar(node)) {
      this.#scalar(node, spec, keyPath);
    } else {
      this.#fault(node, `cannot unmarshal ${goText(node)} into ${spec.kind}`);
    }
  }

  #scalar(node: Node, spec: KeySpec, keyPath: string): void {
    try {
      const value = parseScalar(spec.kind, scalarText(node));
      this.values.set(keyPath, this.#isItem && typeof value === 'bigint' ? scalarText(node) : value);
    } catch (error) {
      if (!(error instanceof ScalarError)) throw error;
      this.#fault(node, `${keyPath}: ${error.message}`);
    }
  }

  /** A list of blocks: each item is checked, then stored as a plain object. */
  #items(node: unknown, spec: KeySpec, keyPath: string): void {
    if (!isSeq(node)) {
      this.#fault(node, `cannot unmarshal ${goText(node)} into a list of ${spec.item!.typeName}`);
      return;
    }
    const items = node.items.map((item) => {
      const inner = new Walk(this.#source, spec.item!, this.#place, true);
      inner.#block(item, spec.item!, '');
      this.#faults.push(...inner.#faults);
      this.notices.push(...inner.notices);
      return nestPaths(inner.values);
    });
    this.values.set(keyPath, items);
  }

  #plain(node: unknown): unknown {
    if (isNull(node)) return undefined;
    try {
      return (node as Node).toJS(this.#source.document, { maxAliasCount: aliasesMax });
    } catch (error) {
      // The library's error for an alias bomb or for an alias without an anchor.
      this.#fault(node, (error as Error).message);
      return undefined;
    }
  }

  #resolve(node: unknown): unknown {
    if (!isAlias(node)) return node;
    const target = node.resolve(this.#source.document);
    if (target === undefined) this.#fault(node, `unknown anchor '${node.source}' referenced`);
    return target;
  }

  #fault(node: unknown, text: string): void {
    this.#faults.push(`line ${this.#line(node as Node | null)}: ${text}`);
  }

  #line(node: Node | null | undefined): number {
    return this.#source.linesBefore + (node?.range ? this.#source.lines.linePos(node.range[0]).line : 1);
  }
}

/** Pairs of a map, with the pairs of its merge keys first, so that the map's own pairs win. */
export function pairsOf(map: YAMLMap, resolve: (node: unknown) => unknown, depth = 0): Pair[] {
  const merged: Pair[] = [];
  const ownPairs: Pair[] = [];
  for (const pair of map.items) {
    if (!isScalar(pair.key) || pair.key.source !== '<<' || depth > mergeDepthMax) {
      ownPairs.push(pair);
      continue;
    }
    const value = resolve(pair.value);
    for (const source of isSeq(value) ? value.items : [value]) {
      const target = resolve(source);
      if (isMap(target)) merged.push(...pairsOf(target, resolve, depth + 1));
    }
  }
  return [...merged, ...ownPairs];
}

export function isNull(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}

/** The scalar as it was written, so that `1d` and `0x10` have the meaning of our kinds, not of YAML's. */
export function scalarText(node: unknown): string {
  const scalar = node as { source?: string; value: string | number | boolean | null };
  return scalar.source ?? (scalar.value === null ? '' : String(scalar.value));
}

function goText(node: unknown): string {
  if (isMap(node)) return '!!map';
  if (isSeq(node)) return '!!seq';
  return `!!str \`${scalarText(node)}\``;
}
