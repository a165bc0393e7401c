/** Writes rule groups as YAML exactly as Go's encoder does. */
import { formatPrometheusDuration } from '@loki/go';
import { nsPerMs } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { SlicedWork } from '@loki/ports';
import type { Rule, RuleGroup } from './rule-group.ts';

/**
 * YAML in the form of Go's encoder: four spaces of indent, lists indented, texts plain where that is safe, in
 * blocks if they have several lines.
 */
const indentStep = 4;

interface WriteOptions {
  /** Also writes the fields that Loki's API omits: stored groups must be complete. */
  readonly complete?: boolean;
}

/** One group. */
export function writeGroup(group: RuleGroup, options: WriteOptions = {}): string {
  return groupLines(group, 0, options).join('');
}

/** Groups by namespace, as UTF-8; pauses after each group. */
export function* writeNamespaces(namespaces: ReadonlyMap<string, readonly RuleGroup[]>): SlicedWork<Buffer> {
  const pieces: Buffer[] = [];
  for (const name of [...namespaces.keys()].sort(compareNatural)) {
    pieces.push(Buffer.from(`${writeText(name, 0, true)}:\n`));
    for (const group of namespaces.get(name)!) {
      pieces.push(Buffer.from(asItem(groupLines(group, indentStep + 2, {}), indentStep)));
      yield;
    }
  }
  return Buffer.concat(pieces);
}

/** Lines of a mapping whose keys are at column `indent`. */
function groupLines(group: RuleGroup, indent: number, options: WriteOptions): string[] {
  const pad = ' '.repeat(indent);
  const lines = [`${pad}name: ${writeText(group.name, indent)}\n`];
  if (group.intervalMs !== 0) lines.push(`${pad}interval: ${writeDuration(group.intervalMs)}\n`);
  if (group.limit !== 0) lines.push(`${pad}limit: ${group.limit}\n`);
  if (group.rules.length === 0) lines.push(`${pad}rules: []\n`);
  else {
    const at = nextIndent(indent);
    lines.push(`${pad}rules:\n`);
    for (const rule of group.rules) lines.push(asItem(ruleLines(rule, at + 2, options), at));
  }
  return lines;
}

function ruleLines(rule: Rule, indent: number, options: WriteOptions): string[] {
  const pad = ' '.repeat(indent);
  const lines = [
    `${pad}${rule.kind}: ${writeText(rule.name, indent)}\n`,
    `${pad}expr: ${writeText(rule.expr, indent)}\n`,
  ];
  if (rule.forMs !== 0) lines.push(`${pad}for: ${writeDuration(rule.forMs)}\n`);
  if (rule.keepFiringForMs !== 0 && options.complete) {
    lines.push(`${pad}keep_firing_for: ${writeDuration(rule.keepFiringForMs)}\n`);
  }
  lines.push(
    ...pairLines('labels', rule.labels, indent),
    ...pairLines('annotations', rule.annotations, indent),
  );
  return lines;
}

function pairLines(name: string, pairs: readonly LabelPair[], indent: number): string[] {
  if (pairs.length === 0) return [];
  const at = nextIndent(indent);
  const sorted = [...pairs].sort((a, b) => compareNatural(a[0], b[0]));
  return [
    `${' '.repeat(indent)}${name}:\n`,
    ...sorted.map(
      ([key, value]) => `${' '.repeat(at)}${writeText(key, at, true)}: ${writeText(value, at)}\n`,
    ),
  ];
}

/** Turns a mapping into an item of a list at `indent`: its first line gets the dash. */
function asItem(lines: readonly string[], indent: number): string {
  const [first, ...others] = lines;
  return `${' '.repeat(indent)}- ${first.slice(indent + 2)}${others.join('')}`;
}

/** Indents are multiples of the step, also after a dash, which takes two columns. */
function nextIndent(indent: number): number {
  return indentStep * Math.floor((indent + indentStep) / indentStep);
}

function writeDuration(ms: number): string {
  return formatPrometheusDuration(BigInt(ms) * nsPerMs);
}

/** Texts that Go's decoder reads, or formerly read, as another type. */
const otherTypes = [
  /^(?:|~|null|Null|NULL)$/,
  /^(?:true|True|TRUE|false|False|FALSE)$/,
  /^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$/,
  /^[-+]?(?:\.\d[\d_]*|\d[\d_]*(?:\.[\d_]*)?)(?:[eE][-+]?\d+)?$/,
  /^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[\da-fA-F_]+)$/,
  /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
  /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/,
  /^\d{4}-\d{1,2}-\d{1,2}(?:$|(?:[Tt]|[ \t]+)\d)/,
];

/**
 * Characters that are not escaped. Go escapes everything beyond 16 bits; line separators would be read as
 * line breaks.
 */
const printable = /^[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*$/u;

/** A text as a scalar in a mapping at `indent`. */
function writeText(text: string, indent: number, isKey = false): string {
  const hasTab = text.includes('\t');
  const isPrintable = printable.test(text.replaceAll('\t', ''));
  if (text.includes('\n')) {
    // Go writes unreadable blocks if they begin with a space or a line break: these are quoted instead.
    const isBlock = !isKey && isPrintable && !/^[ \n]| (?:\n|$)/.test(text);
    return isBlock ? writeBlock(text, nextIndent(indent)) : doubleQuoted(text);
  }
  if (!isPrintable || hasTab || otherTypes.some((pattern) => pattern.test(text))) return doubleQuoted(text);
  return needsQuotes(text) ? `'${text.replaceAll("'", "''")}'` : text;
}

function needsQuotes(text: string): boolean {
  return (
    /^[ #,[\]{}&*!|>'"%@`]/.test(text) ||
    /^(?:[-?:](?: |$)|---|\.\.\.)/.test(text) ||
    /:(?: |$)| #| $/.test(text)
  );
}

/** A literal block; the indicator says how its end is read. */
function writeBlock(text: string, indent: number): string {
  const chomp = text.endsWith('\n') ? (/(?:^|\n)\n$/.test(text) ? '+' : '') : '-';
  const body = text.endsWith('\n') ? text.slice(0, -1) : text;
  const lines = body.split('\n').map((line) => (line === '' ? '' : ' '.repeat(indent) + line));
  return `|${chomp}\n${lines.join('\n')}`;
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['\0', '\\0'],
  ['\x07', '\\a'],
  ['\b', '\\b'],
  ['\t', '\\t'],
  ['\n', '\\n'],
  ['\v', '\\v'],
  ['\f', '\\f'],
  ['\r', '\\r'],
  ['\x1b', '\\e'],
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\x85', '\\N'],
  ['\xa0', '\\_'],
  ['\u2028', '\\L'],
  ['\u2029', '\\P'],
]);

function doubleQuoted(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0)!;
    const escape = escapes.get(char);
    if (escape !== undefined) out += escape;
    else if (printable.test(char)) out += char;
    else if (code <= 0xff) out += `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`;
    else if (code <= 0xffff) out += `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`;
    else out += `\\U${code.toString(16).toUpperCase().padStart(8, '0')}`;
  }
  return `${out}"`;
}

/** The order of Go's encoder: numbers within keys by value, letters after other characters. */
export function compareNatural(a: string, b: string): number {
  const aChars = Array.from(a);
  const right = Array.from(b);
  let at = 0;
  while (at < aChars.length && at < right.length && aChars[at] === right[at]) at++;
  if (at === aChars.length || at === right.length) return aChars.length - right.length;
  const [x, y] = [aChars[at], right[at]];
  const isLetterX = /\p{L}/u.test(x);
  const isLetterY = /\p{L}/u.test(y);
  if (isLetterX && isLetterY) return codeOf(x) - codeOf(y);
  const isAfterDigit = at > 0 && isDigit(aChars[at - 1]);
  if (isLetterX || isLetterY) return isLetterX === isAfterDigit ? -1 : 1;
  return compareNumbers(aChars, right, at) || codeOf(x) - codeOf(y);
}

/** Compares the numbers around `at`, where the texts begin to differ, by value and then by length. */
function compareNumbers(left: readonly string[], right: readonly string[], at: number): number {
  let start = at;
  while (start > 0 && isDigit(left[start - 1])) start--;
  const [x, y] = [digitsFrom(left, start, at), digitsFrom(right, start, at)];
  const difference = BigInt(x || '0') - BigInt(y || '0');
  return difference === 0n ? x.length - y.length : difference < 0n ? -1 : 1;
}

function digitsFrom(chars: readonly string[], start: number, at: number): string {
  // Digits before the first difference count only if the number continues there.
  let end = at;
  while (end < chars.length && isDigit(chars[end])) end++;
  return end === at ? '' : chars.slice(start, end).join('');
}

function isDigit(char: string): boolean {
  return char >= '0' && char <= '9';
}

function codeOf(char: string): number {
  return char.codePointAt(0)!;
}
