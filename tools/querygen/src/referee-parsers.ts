/** The referee's parsers: json, logfmt, regexp, pattern, unpack. */
import { parseJsonPath, parsePattern } from '@loki/logql';
import type { JsonStageSpec, LogfmtStageSpec } from '@loki/logql';
import { Unsure } from './referee-row.ts';
import type { PlainRow } from './referee-row.ts';
import { regexOf } from './referee-values.ts';

/** One member of an object, as it stands in a line. */
interface Member {
  readonly key: string;
  readonly raw: string;
}

const stringToken = /\s*("(?:[^"\\]|\\.)*")/suy;
const scalarToken = /[^\s,}\]]+/uy;

/** Members of an object up to its first mistake, which in a truncated line is the end. */
function membersOf(text: string): { members: Member[]; isBroken: boolean } {
  const members: Member[] = [];
  const broken = { members, isBroken: true };
  let at = blank(text, 0);
  if (text[at] !== '{') return broken;
  at = blank(text, at + 1);
  while (text[at] !== '}') {
    if (text[at] !== '"') return broken;
    stringToken.lastIndex = at;
    const key = stringToken.exec(text);
    if (!key) return broken;
    at = blank(text, stringToken.lastIndex);
    if (text[at] !== ':') return broken;
    at = blank(text, at + 1);
    const end = valueEnd(text, at);
    if (end === undefined) return broken;
    members.push({ key: JSON.parse(key[1]) as string, raw: text.slice(at, end) });
    at = blank(text, end);
    if (text[at] === ',') {
      at = blank(text, at + 1);
      if (at >= text.length) return broken;
    } else if (text[at] !== '}') return broken;
  }
  return { members, isBroken: false };
}

function blank(text: string, at: number): number {
  while (at < text.length && ' \t\r\n'.includes(text[at])) at++;
  return at;
}

/** Undefined: the value has no end, or is invalid. */
function valueEnd(text: string, at: number): number | undefined {
  if (text[at] === '"') {
    stringToken.lastIndex = at;
    return stringToken.exec(text) ? stringToken.lastIndex : undefined;
  }
  if (text[at] === '{' || text[at] === '[') {
    let depth = 0;
    for (let i = at; i < text.length; i++) {
      if (text[i] === '"') {
        stringToken.lastIndex = i;
        if (!stringToken.exec(text)) return undefined;
        i = stringToken.lastIndex - 1;
      } else if (text[i] === text[at]) depth++;
      else if (text[i] === (text[at] === '{' ? '}' : ']') && --depth === 0) return i + 1;
    }
    return undefined;
  }
  scalarToken.lastIndex = at;
  const token = scalarToken.exec(text)?.[0];
  if (token === undefined || !/^([\d-].*|true|false|null)$/su.test(token)) return undefined;
  return at + token.length;
}

export function parseJson(row: PlainRow, { extractions }: JsonStageSpec): void {
  if (extractions.length > 0) return extractJson(row, extractions);
  const walk = (text: string, prefix: string): boolean => {
    const { members, isBroken } = membersOf(text);
    for (const { key, raw } of members) {
      const name = sanitized(prefix === '' ? key : `${prefix}_${key}`);
      if (raw.startsWith('{')) {
        if (walk(raw, name)) return true;
      } else if (raw.startsWith('"')) row.extract(name, JSON.parse(raw) as string);
      else if (!raw.startsWith('[') && raw !== 'null') row.extract(name, raw);
    }
    return isBroken;
  };
  if (walk(row.line, '')) fail(row, 'JSONParserErr');
}

function extractJson(row: PlainRow, extractions: JsonStageSpec['extractions']): void {
  if (row.line === '') return;
  if (!/^[ \t\r\n]*[{["]/.test(row.line)) return fail(row, 'JSONParserErr');
  // A path may lead to a value before the mistake.
  if (!isWhole(row.line)) throw new Unsure('a path into a broken line');
  for (const { label, expression } of extractions) {
    const raw = parseJsonPath(expression).reduce<string | undefined>(memberOf, row.line.trimStart());
    const value = raw?.startsWith('"') ? (JSON.parse(raw) as string) : (raw ?? '');
    if (value === '' || value === 'null') row.extractNothing(label);
    else row.extract(label, value, true);
  }
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The raw value one step down a path. */
function memberOf(raw: string | undefined, step: string | number): string | undefined {
  if (raw === undefined) return undefined;
  if (typeof step === 'string') return membersOf(raw).members.find(({ key }) => key === step)?.raw;
  if (!raw.startsWith('[')) return undefined;
  let at = blank(raw, 1);
  for (let i = 0; at < raw.length && raw[at] !== ']'; i++) {
    const end = valueEnd(raw, at);
    if (end === undefined) return undefined;
    if (i === step) return raw.slice(at, end);
    at = blank(raw, end);
    if (raw[at] === ',') at = blank(raw, at + 1);
  }
  return undefined;
}

export function unpack(row: PlainRow): void {
  if (row.line === '') return;
  const { members, isBroken } = membersOf(row.line);
  if (isBroken) return fail(row, 'JSONParserErr');
  const texts = members.filter(({ raw }) => raw.startsWith('"')).map(({ key, raw }) => [key, JSON.parse(raw) as string] as const); // prettier-ignore
  const entry = texts.find(([key]) => key === '_entry');
  if (!entry) return;
  for (const [key, value] of texts) if (key !== '_entry') row.extract(sanitized(key), value);
  row.line = entry[1];
}

export function parseLogfmt(row: PlainRow, { strict, keepEmpty, extractions }: LogfmtStageSpec): void {
  const { pairs, isBroken } = logfmtPairs(row.line, strict);
  if (isBroken) fail(row, 'LogfmtParserErr');
  if (extractions.length === 0) {
    for (const [key, value] of pairs) if (keepEmpty || value !== '') row.extract(sanitized(key), value);
    return;
  }
  const lookups = extractions.map(({ label, expression }) => ({ label, at: pairs.findIndex(([key]) => key === expression) })); // prettier-ignore
  for (const { label, at } of lookups) if (at >= 0) row.extract(label, pairs[at][1], true);
  for (const { label, at } of lookups) if (at < 0) row.extractNothing(label);
}

/** Pairs of a line; at an invalid one a strict reader stops, and a lax one continues after the next blank. */
function logfmtPairs(line: string, isStrict: boolean): { pairs: [string, string][]; isBroken: boolean } {
  const pairs: [string, string][] = [];
  const pair = /([^\0-\x20="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\0-\x20="]*)))?/suy; // eslint-disable-line no-control-regex
  for (let at = 0; at < line.length;) {
    if (line[at] <= ' ') {
      at++;
      continue;
    }
    pair.lastIndex = at;
    const match = pair.exec(line);
    const end = match ? pair.lastIndex : at;
    const isWhole = match && !(match[2] === undefined && (line[end] === '"' || line[end] === '='));
    if (isWhole) {
      const [, key, quoted, plain] = match;
      const value = quoted === undefined ? (plain ?? '') : quoted.includes('\\') ? unquoted(quoted) : quoted;
      if (value !== undefined) {
        pairs.push([key, value]);
        at = end;
        continue;
      }
    }
    if (isStrict) return { pairs, isBroken: true };
    at = afterBad(line, at);
  }
  return { pairs, isBroken: false };
}

/** The text after an invalid pair: from the blank that follows the mistake. */
function afterBad(line: string, at: number): number {
  const opened = /[^\0-\x20="]*="/uy; // eslint-disable-line no-control-regex
  opened.lastIndex = at;
  const quote = opened.test(line) ? line.slice(opened.lastIndex).search(/(?<!\\)"/u) : 0;
  if (quote < 0) return line.length;
  const from = opened.lastIndex > 0 ? opened.lastIndex + quote : at;
  const blankAt = line.slice(from).search(/[\0-\x20]/u); // eslint-disable-line no-control-regex
  return blankAt < 0 ? line.length : from + blankAt;
}

function unquoted(text: string): string | undefined {
  if (!/^(?:[^\\]|\\[^\0-\x1f])*$/su.test(text)) return undefined; // eslint-disable-line no-control-regex
  try {
    // Control characters stand for themselves, unlike in JSON.
    const plain = text.replace(/[\0-\x1f]/g, (byte) => JSON.stringify(byte).slice(1, -1)); // eslint-disable-line no-control-regex
    return JSON.parse(`"${plain.replaceAll("\\'", "'")}"`) as string;
  } catch {
    return undefined;
  }
}

export function parseRegexp(row: PlainRow, pattern: string): void {
  const match = regexOf(pattern).exec(row.line);
  // Groups by their place in the pattern.
  if (match) for (const [, name] of pattern.matchAll(/\(\?P<(\w+)>/g)) row.extract(name, match.groups![name] ?? ''); // prettier-ignore
}

export function parseByPattern(row: PlainRow, pattern: string): void {
  // An empty line gives nothing, not even an empty capture.
  if (row.line === '') return;
  let remainder = row.line;
  let open: string | undefined;
  const parts = parsePattern(pattern);
  for (const [i, part] of parts.entries()) {
    if (part.kind === 'capture') {
      open = part.name;
      continue;
    }
    const at = remainder.indexOf(part.text);
    if (i === 0 && at !== 0) return;
    if (at < 0) break;
    if (open !== undefined && open !== '_') row.extract(open, remainder.slice(0, at));
    open = undefined;
    remainder = remainder.slice(at + part.text.length);
  }
  if (open !== undefined && open !== '_') row.extract(open, remainder);
}

export function fail(row: PlainRow, kind: string): void {
  row.error = kind;
  row.details = '?';
}

function sanitized(key: string): string {
  const name = key.trim().replace(/[^A-Za-z0-9_]/gu, '_');
  return /^\d/.test(name) ? `_${name}` : name;
}
