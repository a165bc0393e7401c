/** Go's own template functions: `and`, `eq`, `index`, `len`, `printf`, `slice` and others. */
import { isPrint, queryEscape } from '@loki/go';
import { CallError } from './errors.ts';
import { sprint, sprintln, toText } from './format-value.ts';
import { sprintf } from './format.ts';
import { fn } from './function-types.ts';
import type { TemplateFunction } from './function-types.ts';
import {
  basicKind,
  compareBytes,
  GoInt,
  int,
  isAscii,
  isLabelMap,
  isList,
  isMap,
  isTime,
  lengthOf,
  sliceBytes,
  truth,
  typeName,
} from './values.ts';
import type { Value } from './values.ts';

/**
 * The functions of text/template itself. The compiler handles `and`, `or` and `call`, because it must not
 * evaluate all of their arguments.
 */
export const builtins: readonly (readonly [string, TemplateFunction])[] = [
  ['and', fn(['any'], (args) => args[0], 'any')],
  ['or', fn(['any'], (args) => args[0], 'any')],
  ['not', fn(['any'], ([value]) => !truth(value))],
  ['call', fn(['any'], ([value]) => notCallable(value), 'any')],
  ['eq', fn(['any'], ([first, ...operands]) => equalsAny(first, operands), 'any')],
  ['ne', fn(['any', 'any'], ([a, b]) => !equals(a, b))],
  ['lt', fn(['any', 'any'], ([a, b]) => isLess(a, b))],
  ['le', fn(['any', 'any'], ([a, b]) => isLess(a, b) || equals(a, b))],
  ['gt', fn(['any', 'any'], ([a, b]) => !(isLess(a, b) || equals(a, b)))],
  ['ge', fn(['any', 'any'], ([a, b]) => !isLess(a, b))],
  ['len', fn(['any'], ([value]) => int(lengthOf(value) ?? noLength(value)))],
  ['index', fn(['any'], ([item, ...indexes]) => index(item, indexes), 'any')],
  ['slice', fn(['any'], ([item, ...indexes]) => slice(item, indexes), 'any')],
  ['print', fn([], (args) => sprint(args), 'any')],
  ['println', fn([], (args) => sprintln(args), 'any')],
  ['printf', fn(['string'], ([format, ...args], context) => printf(format as string, args, context), 'any')],
  ['html', fn([], (args) => htmlEscape(sprintValues(args)), 'any')],
  ['js', fn([], (args) => jsEscape(sprintValues(args)), 'any')],
  ['urlquery', fn([], (args) => queryEscape(sprintValues(args)), 'any')],
];

function refuse(message: string): never {
  throw new CallError(message);
}

function noLength(value: Value): never {
  return refuse(
    value === null ? 'reflect: call of reflect.Value.Type on zero Value' : `len of type ${typeName(value)}`,
  );
}

function notCallable(value: Value): never {
  return refuse(value === null ? 'call of nil' : `non-function of type ${typeName(value)}`);
}

/** A width may request much memory, so the widths of a format are checked before it is executed. */
function printf(format: string, args: readonly Value[], context: { checkSize(chars: number): void }): string {
  let widthSum = 0;
  for (const match of format.matchAll(/[0-9]{3,8}/g)) widthSum += Number(match[0]);
  const stars = (format.match(/\*/g) ?? []).length;
  if (stars > 0) {
    for (const arg of args) {
      if (arg instanceof GoInt && arg.value > 0n && arg.value <= 1_000_000n) widthSum += Number(arg.value);
    }
  }
  if (widthSum > 1000) context.checkSize(widthSum);
  return sprintf(format, args);
}

function sprintValues(args: readonly Value[]): string {
  return sprint(args.map((arg) => (arg === null ? '<no value>' : arg)));
}

function equalsAny(first: Value, operands: readonly Value[]): boolean {
  if (operands.length === 0) refuse('missing argument for comparison');
  return operands.some((operand) => equals(first, operand));
}

function equals(a: Value, b: Value): boolean {
  const kindA = basicKind(a);
  const kindB = basicKind(b);
  if (kindA !== kindB) {
    if (a instanceof GoInt && b instanceof GoInt) return a.value === b.value;
    if (a === null || b === null) return false;
    return refuse(`incompatible types for comparison: ${typeName(a)} and ${typeName(b)}`);
  }
  if (a instanceof GoInt && b instanceof GoInt) return a.value === b.value;
  if (kindA !== undefined) return a === b;
  if (a === null || b === null) return a === b;
  if (isTime(a) && isTime(b)) return a.unixNs === b.unixNs && a.zone === b.zone;
  if (isList(a) !== isList(b) || isTime(a) !== isTime(b)) {
    refuse(`non-comparable types ${sprintf('%s', [a])}: ${typeName(a)}, ${typeName(b)}: ${toText(b)}`);
  }
  return refuse(`non-comparable type ${sprintf('%s', [b])}: ${typeName(b)}`);
}

function isLess(a: Value, b: Value): boolean {
  const kindA = basicKind(a);
  const kindB = basicKind(b);
  if (kindA === undefined || kindB === undefined) refuse('invalid type for comparison');
  if (a instanceof GoInt && b instanceof GoInt) return a.value < b.value;
  if (kindA !== kindB) refuse(`incompatible types for comparison: ${typeName(a)} and ${typeName(b)}`);
  if (typeof a === 'string') return compareBytes(a, b as string) < 0;
  return typeof a === 'number' ? a < (b as number) : refuse('invalid type for comparison');
}

/** An index argument as a number in 0 .. `max`. */
function indexNumber(index: Value, max: number): number {
  if (index === null) return refuse('cannot index slice/array with nil');
  if (!(index instanceof GoInt)) return refuse(`cannot index slice/array with type ${typeName(index)}`);
  if (index.value < 0n || index.value > BigInt(max)) refuse(`index out of range: ${index.value}`);
  return Number(index.value);
}

function index(item: Value, indexes: readonly Value[]): Value {
  if (item === null) return refuse('index of untyped nil');
  let current: Value = item;
  for (const at of indexes) {
    if (current === null) return refuse('index of nil pointer');
    if (typeof current === 'string') {
      const bytes = Buffer.from(current, 'utf8');
      const position = indexNumber(at, bytes.length);
      if (position === bytes.length) refuse('reflect: string index out of range');
      current = new GoInt(BigInt(bytes[position]), 'uint8');
    } else if (isList(current)) {
      const position = indexNumber(at, current.length);
      if (position === current.length) refuse('reflect: slice index out of range');
      current = current[position];
    } else if (isMap(current)) current = current.get(mapKey(at)) ?? null;
    else if (isLabelMap(current)) current = current.get(mapKey(at)) ?? '';
    else return refuse(`can't index item of type ${typeName(current)}`);
  }
  return current;
}

function mapKey(key: Value): string {
  if (key === null) return refuse('value is nil; should be of type string');
  return typeof key === 'string' ? key : refuse(`value has type ${typeName(key)}; should be string`);
}

function slice(item: Value, indexes: readonly Value[]): Value {
  if (item === null) return refuse('slice of untyped nil');
  if (indexes.length > 3) refuse(`too many slice indexes: ${indexes.length}`);
  if (typeof item !== 'string' && !isList(item)) return refuse(`can't slice item of type ${typeName(item)}`);
  if (typeof item === 'string' && indexes.length === 3) refuse('cannot 3-index slice a string');
  const length = lengthOf(item)!;
  const [from = 0, to = length, cap = length] = indexes.map((at) => indexNumber(at, length));
  if (from > to) refuse(`invalid slice index: ${from} > ${to}`);
  if (to > cap) refuse(`invalid slice index: ${to} > ${cap}`);
  return typeof item === 'string' ? sliceBytes(item, from, to) : item.slice(from, to);
}

const htmlEscapes: Record<string, string> = {
  '\0': '\ufffd',
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
};

function htmlEscape(text: string): string {
  // oxlint-disable-next-line no-control-regex -- NUL is one of those to escape
  return text.replace(/[\0"'&<>]/g, (char) => htmlEscapes[char]);
}

const jsEscapes: Record<string, string> = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  '=': '\\u003D',
};

function jsEscape(text: string): string {
  if (isAscii(text) && !/[\\'"<>&=\p{Cc}]/u.test(text)) return text;
  let out = '';
  for (const char of text) {
    const rune = char.codePointAt(0)!;
    if (jsEscapes[char]) out += jsEscapes[char];
    else if (rune < 0x20 || (rune > 0x7f && !isPrint(char))) {
      out += `\\u${rune.toString(16).toUpperCase().padStart(4, '0')}`;
    } else out += char;
  }
  return out;
}
