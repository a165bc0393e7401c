/** Reads rule groups from YAML as Go's decoder does, with bounds against hostile texts. */
import { isAlias, isMap, isScalar, isSeq, Lexer, parseAllDocuments } from 'yaml';
import type { Document, Node, Pair, Scalar, YAMLMap } from 'yaml';
import { parsePrometheusDuration } from '@loki/go';
import { mib, nsPerMs } from '@loki/model';
import type { LabelPair } from '@loki/model';

/** Bytes of one rule file or group. */
export const ruleTextBytesMax = mib;
/**
 * Bound on tokens of YAML in one text, some 10,000 lines. The parser's time depends on tokens, not on bytes.
 */
const tokensMax = 50_000;
/** Bound on nested flow collections; rule groups need two. */
const flowDepthMax = 32;
/**
 * Bound on nested block collections; rule groups need six. The parser's stack is no bound: whether a text
 * exhausts it depends on the code that the engine has optimised by then.
 */
const blockDepthMax = 64;
/** Bound on aliases of one text, and on all visited nodes: aliases can expand a small text. */
const aliasesMax = 100;
const nodesMax = 100_000;

/** A rule of the text before checks: every field may be missing or malformed. */
export interface WrittenRule {
  readonly record: string;
  readonly alert: string;
  readonly expr: string;
  readonly forMs: number;
  readonly keepFiringForMs: number;
  readonly labels: readonly LabelPair[];
  readonly annotations: readonly LabelPair[];
}

export interface WrittenGroup {
  readonly name: string;
  readonly intervalMs: number;
  readonly limit: number;
  readonly rules: readonly WrittenRule[];
}

/** Text that is not YAML, or not of the expected shape. */
export class RuleTextError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RuleTextError';
  }
}

/**
 * One group in the form of the API. Unknown fields are ignored; scalars are read as text where text is
 * expected, as in Go's decoder. An empty text is an empty group.
 *
 * @throws RuleTextError
 */
export function readGroup(text: string): WrittenGroup {
  const reader = new Reader(text);
  return reader.group(reader.root);
}

/**
 * The groups of a rule file: `groups:` with a list.
 *
 * @throws RuleTextError
 */
export function readRuleFile(text: string): WrittenGroup[] {
  const reader = new Reader(text);
  return reader.list(reader.fields(reader.root).get('groups'), (node) => reader.group(node));
}

class Reader {
  readonly root: unknown;
  readonly #document: Document.Parsed | undefined;
  #aliases = 0;
  #nodes = 0;

  constructor(text: string) {
    this.#document = parse(text);
    this.root = this.#document?.contents ?? undefined;
  }

  group(node: unknown): WrittenGroup {
    const fields = this.fields(node);
    return {
      name: this.#text(fields.get('name')),
      intervalMs: this.#durationMs(fields.get('interval')),
      limit: this.#integer(fields.get('limit')),
      rules: this.list(fields.get('rules'), (rule) => this.#rule(rule)),
    };
  }

  #rule(node: unknown): WrittenRule {
    const fields = this.fields(node);
    return {
      record: this.#text(fields.get('record')),
      alert: this.#text(fields.get('alert')),
      expr: this.#text(fields.get('expr')),
      forMs: this.#durationMs(fields.get('for')),
      keepFiringForMs: this.#durationMs(fields.get('keep_firing_for')),
      labels: this.#pairs(fields.get('labels')),
      annotations: this.#pairs(fields.get('annotations')),
    };
  }

  /** Values by key; a key of the mapping wins over keys merged by `<<`. */
  fields(node: unknown): Map<string, unknown> {
    const fields = new Map<string, unknown>();
    const map = this.#resolve(node);
    if (isNull(map)) return fields;
    if (!isMap(map)) throw new RuleTextError('a mapping is expected');
    this.#addFields(map, fields, 0);
    return fields;
  }

  #addFields(map: YAMLMap, fields: Map<string, unknown>, depth: number): void {
    if (depth > 4) throw new RuleTextError('merge keys nest too deep');
    const merged: unknown[] = [];
    for (const pair of map.items as Pair[]) {
      const key = this.#resolve(pair.key);
      if (!isScalar(key)) throw new RuleTextError('a key is not a scalar');
      const name = scalarText(key);
      if (name === '<<' && key.type === 'PLAIN') merged.push(pair.value);
      else if (!fields.has(name)) fields.set(name, pair.value);
    }
    for (const value of merged) {
      const source = this.#resolve(value);
      for (const each of isSeq(source) ? source.items : [source]) {
        const target = this.#resolve(each);
        if (!isMap(target)) {
          throw new RuleTextError('map merge requires map or sequence of maps as the value');
        }
        this.#addFields(target, fields, depth + 1);
      }
    }
  }

  list<T>(node: unknown, read: (item: unknown) => T): T[] {
    const sequence = this.#resolve(node);
    if (isNull(sequence)) return [];
    if (!isSeq(sequence)) throw new RuleTextError('a list is expected');
    return sequence.items.map((item) => read(item));
  }

  #text(node: unknown): string {
    const value = this.#resolve(node);
    if (isNull(value)) return '';
    if (!isScalar(value)) throw new RuleTextError('a text is expected');
    return scalarText(value);
  }

  #durationMs(node: unknown): number {
    if (node === undefined || isNull(this.#resolve(node))) return 0;
    const text = this.#text(node);
    const value = parsePrometheusDuration(text);
    if (value === undefined) {
      throw new RuleTextError(`not a valid duration string: ${JSON.stringify(text.slice(0, 100))}`);
    }
    return Number(value / nsPerMs);
  }

  #integer(node: unknown): number {
    const value = this.#resolve(node);
    if (isNull(value)) return 0;
    const text = this.#text(node);
    const number = /^[-+]?\d+$/.test(text) && isPlain(value) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(number)) throw new RuleTextError('a whole number is expected');
    return number;
  }

  #pairs(node: unknown): LabelPair[] {
    const pairs: LabelPair[] = [];
    for (const [name, value] of this.fields(node)) pairs.push([name, this.#text(value)]);
    return pairs.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  }

  /** The node, or the target of its alias; tags are refused. */
  #resolve(node: unknown): unknown {
    if (++this.#nodes > nodesMax) throw new RuleTextError('too many nodes');
    let target = node;
    if (isAlias(node)) {
      if (++this.#aliases > aliasesMax) throw new RuleTextError('too many aliases');
      target = node.resolve(this.#document!);
      if (target === undefined) throw new RuleTextError('unknown anchor');
    }
    if ((target as Node | undefined | null)?.tag !== undefined) throw new RuleTextError('tags are not taken');
    return target;
  }
}

/** The first document, with all scalars as text; undefined if there is none. */
function parse(text: string): Document.Parsed | undefined {
  if (Buffer.byteLength(text) > ruleTextBytesMax) throw new RuleTextError('the text is too long');
  checkTokens(text);
  try {
    const documents = parseAllDocuments(text, {
      schema: 'failsafe',
      logLevel: 'silent',
      prettyErrors: false,
    });
    const document = Array.isArray(documents) ? (documents as Document.Parsed[])[0] : undefined;
    const error = document?.errors[0];
    if (error) throw new RuleTextError(error.message);
    return document;
  } catch (error) {
    if (error instanceof RangeError) throw new RuleTextError('collections nest too deep');
    throw error;
  }
}

/** Marks of the lexer that stand for no text: byte order, document, end of an error, scalar. */
const controlTokens = new Set(['\ufeff', '\u0002', '\u0018', '\u001f']);

function checkTokens(text: string): void {
  let tokens = 0;
  let flowDepth = 0;
  // Columns at which the open block collections begin: a nested one is indented further.
  const columns: number[] = [];
  let column = 0;
  let isIndentation = true;
  for (const token of new Lexer().lex(text)) {
    if (++tokens > tokensMax) throw new RuleTextError('the text has too many parts');
    if (token === '[' || token === '{') flowDepth++;
    else if (token === ']' || token === '}') flowDepth--;
    if (controlTokens.has(token)) continue;
    if (token.endsWith('\n')) {
      column = 0;
      isIndentation = true;
      continue;
    }
    const isSpace = /^ +$/.test(token);
    if (flowDepth === 0 && !isSpace && (isIndentation || token === '-' || token === '?')) {
      while (columns.length > 0 && columns[columns.length - 1] >= column) columns.pop();
      columns.push(column);
    }
    if (!isSpace) isIndentation = false;
    if (flowDepth > flowDepthMax || columns.length > blockDepthMax) {
      throw new RuleTextError('collections nest too deep');
    }
    column += token.length;
  }
}

function isPlain(node: unknown): boolean {
  return isScalar(node) && node.type === 'PLAIN';
}

function isNull(node: unknown): boolean {
  if (node === undefined || node === null) return true;
  if (!isScalar(node)) return false;
  return node.value === null || (node.type === 'PLAIN' && /^(?:|~|null|Null|NULL)$/.test(scalarText(node)));
}

function scalarText(scalar: Scalar): string {
  return typeof scalar.value === 'string' ? scalar.value : '';
}
