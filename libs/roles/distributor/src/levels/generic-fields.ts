/** Extracts the fields of `discover_generic_fields` from an entry: step *decode* of a written line. */
import type { Labels } from '@loki/model';

/** A field to find (`discover_generic_fields`): the metadata name that it gets, and where it may stand. */
export interface GenericField {
  readonly name: string;
  readonly hints: readonly string[];
}

/** The known parts of an entry besides its line. */
interface GenericSources {
  readonly labels: Labels;
  metadata(name: string): string | undefined;
  line(): string;
}

/**
 * The fields of an entry that become structured metadata: from the stream's labels, else from its metadata,
 * else from a line that is a JSON object or logfmt. A value that the entry already has under the name stays.
 */
export function findGenericFields(
  fields: readonly GenericField[],
  sources: GenericSources,
): readonly (readonly [name: string, value: string])[] {
  const pairs: (readonly [string, string])[] = [];
  let line: LineFields | undefined;
  for (const { name, hints } of fields) {
    if (sources.metadata(name) !== undefined) continue;
    const value =
      firstOf(hints, (hint) => sources.labels.get(hint)) ??
      firstOf(hints, (hint) => sources.metadata(hint)) ??
      firstOf(hints, (hint) => (line ??= new LineFields(sources.line())).get(hint));
    if (value !== undefined) pairs.push([name, value]);
  }
  return pairs;
}

function firstOf(hints: readonly string[], get: (hint: string) => string | undefined): string | undefined {
  for (const hint of hints) {
    const value = get(hint);
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
}

/** The fields of one line, read at the first use. */
class LineFields {
  readonly #text: string;
  #json: Record<string, unknown> | undefined | 'unread' = 'unread';

  constructor(text: string) {
    this.#text = text;
  }

  get(name: string): string | undefined {
    if (this.#json === 'unread') this.#json = parseObject(this.#text);
    return this.#json === undefined ? logfmtValue(this.#text, name) : jsonValue(this.#json, name);
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** A key of the object, else a path of keys with dots between them. */
function jsonValue(object: Record<string, unknown>, path: string): string | undefined {
  const own = Object.hasOwn(object, path) ? object[path] : undefined;
  if (own !== undefined) return plainText(own);
  let value: unknown = object;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return plainText(value);
}

function plainText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** The value of the first `name=value` or `name="quoted value"` of the line. */
function logfmtValue(text: string, name: string): string | undefined {
  if (!text.includes(`${name}=`)) return undefined;
  for (let at = 0; at < text.length;) {
    const start = at;
    while (at < text.length && text.charCodeAt(at) > 0x20 && text[at] !== '=') at++;
    const key = text.slice(start, at);
    if (text[at] !== '=') {
      at++;
      continue;
    }
    const { value, end } = text[at + 1] === '"' ? quotedAt(text, at + 2) : bareAt(text, at + 1);
    if (key === name) return value;
    at = end;
  }
  return undefined;
}

function bareAt(text: string, start: number): { value: string; end: number } {
  let end = start;
  while (end < text.length && text.charCodeAt(end) > 0x20) end++;
  return { value: text.slice(start, end), end };
}

/** The text up to the closing quote, without its backslashes. */
function quotedAt(text: string, start: number): { value: string; end: number } {
  let end = start;
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return { value: text.slice(start, end).replaceAll(/\\(.)/gs, '$1'), end: end + 1 };
}
