/** Values of configuration keys by path, with their origin and a record of use. */
import { parseScalar } from './scalars.ts';
import type { SettingValue } from './scalars.ts';
import { schema } from './schema.ts';
import type { KeySpec } from './schema.ts';

/** Where a value came from, weakest first: a later origin wins. */
type SettingOrigin = 'preset' | 'file' | 'flag';

interface Setting {
  readonly value: SettingValue;
  readonly origin: SettingOrigin;
}

/**
 * Values by key path; an unset key has its default. Records which keys the program reads, so that the others
 * can be reported as accepted without effect.
 */
export class Settings {
  readonly #set = new Map<string, Setting>();
  readonly #read = new Set<string>();
  /** Keys that are not read, by the key that is read in their place. */
  readonly #winners = new Map<string, string>();

  set(path: string, value: SettingValue, origin: SettingOrigin): void {
    this.#set.set(path, { value, origin });
  }

  /** The value or its default; undefined when there is neither. This does not mark the key as used. */
  peek(path: string): SettingValue {
    const setting = this.#set.get(path);
    if (setting) return setting.value;
    return defaultValue(specOf(path));
  }

  text(path: string): string {
    return this.#use(path) as string;
  }

  /** The first of these keys that is not empty: it has an effect in place of those after it. */
  firstText(...paths: readonly string[]): string {
    const winner = paths.find((path) => this.text(path) !== '');
    if (winner === undefined) return '';
    for (const path of paths.slice(paths.indexOf(winner) + 1)) this.#winners.set(path, winner);
    return this.text(winner);
  }

  /** The key that has an effect in place of this one. */
  winnerOver(path: string): string | undefined {
    return this.#winners.get(path);
  }

  number(path: string): number {
    return (this.#use(path) as number | undefined) ?? 0;
  }

  flag(path: string): boolean {
    return (this.#use(path) as boolean | undefined) ?? false;
  }

  durationMs(path: string): number {
    return Number((this.#use(path) as bigint | undefined) ?? 0n) / 1e6;
  }

  list(path: string): readonly string[] {
    return (this.#use(path) as readonly string[] | undefined) ?? [];
  }

  /** A free-form subtree; undefined when not given. */
  raw(path: string): unknown {
    return this.#use(path);
  }

  /**
   * Marks everything at and below `path` as used: it is read by other means (limits), or other processes use
   * it.
   */
  markUsed(path: string): void {
    const prefix = `${path}.`;
    this.#read.add(path);
    for (const key of this.#set.keys()) if (key === path || key.startsWith(prefix)) this.#read.add(key);
  }

  /** Keys that the file or a flag set to another value than the default and that the program has not read. */
  unused(): string[] {
    const paths: string[] = [];
    for (const [path, setting] of this.#set) {
      if (setting.origin === 'preset' || this.#read.has(path)) continue;
      paths.push(path);
    }
    return paths.sort();
  }

  /** Whether the program has read the key, or a whole block that contains it. */
  isUsed(path: string): boolean {
    for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
      if (this.#read.has(path.slice(0, end))) return true;
    }
    return false;
  }

  /** Values that are set below `prefix`, by their path without the prefix. */
  below(prefix: string): Map<string, SettingValue> {
    const values = new Map<string, SettingValue>();
    const start = `${prefix}.`;
    for (const [path, setting] of this.#set) {
      if (path.startsWith(start)) values.set(path.slice(start.length), setting.value);
    }
    return values;
  }

  #use(path: string): SettingValue {
    this.#read.add(path);
    return this.peek(path);
  }
}

function specOf(path: string): KeySpec {
  const spec = schema().byPath.get(path);
  if (!spec) throw new Error(`no such configuration key: ${path}`);
  return spec;
}

const parsedDefaults = new Map<KeySpec, SettingValue>();

/**
 * The default of a key as a value, parsed once; undefined for free-form keys, and '' , false, 0 or [] where
 * the table has none.
 */
export function defaultValue(spec: KeySpec): SettingValue {
  let value = parsedDefaults.get(spec);
  if (value === undefined) {
    value = parseDefault(spec);
    if (value !== undefined) parsedDefaults.set(spec, value);
  }
  return value;
}

function parseDefault(spec: KeySpec): SettingValue {
  if (spec.kind === 'any' || spec.kind === 'blocks') return undefined;
  if (spec.defaultText !== '') return parseScalar(spec.kind, spec.defaultText);
  switch (spec.kind) {
    case 'string':
      return '';
    case 'bool':
      return false;
    case 'list':
      return [];
    case 'duration':
    case 'promduration':
      return 0n;
    default:
      return 0;
  }
}
