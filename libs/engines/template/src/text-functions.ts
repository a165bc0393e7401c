/** Text functions of templates: Loki's, and those of sprig and Go's strings. */
import { queryEscape, quoteBytes } from '@loki/go';
import { CallError } from './errors.ts';
import { fn } from './function-types.ts';
import type { CallContext, TemplateFunction } from './function-types.ts';
import { byteLength, decodeBytes, int, sliceBytes } from './values.ts';
import type { Value, GoInt } from './values.ts';

/** Functions from text to text. */
export const textFunctions: readonly (readonly [string, TemplateFunction])[] = [
  ['ToLower', text1(toLower)],
  ['ToUpper', text1(toUpper)],
  ['lower', text1(toLower)],
  ['upper', text1(toUpper)],
  ['title', text1(title)],
  ['Replace', fn(['string', 'string', 'string', 'int'], ([s, from, to, n], c) => replace(str(s), str(from), str(to), num(n), c))],
  ['replace', fn(['string', 'string', 'string'], ([from, to, s], c) => replace(str(s), str(from), str(to), -1, c))],
  ['Trim', text2((s, cutset) => trimRight(trimLeft(s, cutset), cutset))],
  ['TrimLeft', text2(trimLeft)],
  ['TrimRight', text2(trimRight)],
  ['TrimPrefix', text2(trimPrefix)],
  ['TrimSuffix', text2(trimSuffix)],
  ['TrimSpace', text1(trimSpace)],
  ['trim', text1(trimSpace)],
  ['trimAll', text2((cutset, s) => trimRight(trimLeft(s, cutset), cutset))],
  ['trimPrefix', text2((prefix, s) => trimPrefix(s, prefix))],
  ['trimSuffix', text2((suffix, s) => trimSuffix(s, suffix))],
  ['contains', fn(['string', 'string'], ([part, s]) => str(s).includes(str(part)))],
  ['hasPrefix', fn(['string', 'string'], ([part, s]) => str(s).startsWith(str(part)))],
  ['hasSuffix', fn(['string', 'string'], ([part, s]) => str(s).endsWith(str(part)))],
  ['indent', fn(['int', 'string'], ([spaces, s], c) => indent(num(spaces), str(s), c))],
  ['nindent', fn(['int', 'string'], ([spaces, s], c) => `\n${indent(num(spaces), str(s), c)}`)],
  ['repeat', fn(['int', 'string'], ([count, s], c) => repeat(num(count), str(s), c))],
  ['trunc', fn(['int', 'string'], ([count, s]) => trunc(num(count), str(s)))],
  ['substr', fn(['int', 'int', 'string'], ([start, end, s]) => substring(num(start), num(end), str(s)))],
  ['alignLeft', fn(['int', 'string'], ([count, s], c) => align(num(count), str(s), true, c))],
  ['alignRight', fn(['int', 'string'], ([count, s], c) => align(num(count), str(s), false, c))],
  ['urlencode', text1(queryEscape)],
  ['urldecode', text1(queryUnescape)],
  ['b64enc', text1((s) => Buffer.from(s, 'utf8').toString('base64'))],
  ['b64dec', text1(base64Decode)],
  ['regexReplaceAll', fn(['string', 'string', 'string'], ([re, s, to], c) => regexReplace(str(re), str(s), str(to), true, c))],
  ['regexReplaceAllLiteral', fn(['string', 'string', 'string'], ([re, s, to], c) => regexReplace(str(re), str(s), str(to), false, c))],
  ['count', fn(['string', 'string'], ([re, s], c) => int(c.regex(str(re)).findAllCount(str(s))))],
]; // prettier-ignore

function str(value: Value): string {
  return value as string;
}

function num(value: Value): number {
  return Number((value as GoInt).value);
}

function text1(call: (s: string) => string): TemplateFunction {
  return fn(['string'], ([s]) => call(str(s)));
}

function text2(call: (a: string, b: string) => string): TemplateFunction {
  return fn(['string', 'string'], ([a, b]) => call(str(a), str(b)));
}

/**
 * Upper case as in Go, character by character. JavaScript's own functions depend on neighbours and may turn
 * one character into two.
 */
function toUpper(text: string): string {
  const upper = text.toUpperCase();
  return upper.length === text.length && !/[\u0080-\uffff]/.test(text)
    ? upper
    : mapChars(text, (char) => char.toUpperCase());
}

function toLower(text: string): string {
  if (!/[\u0080-\uffff]/.test(text)) return text.toLowerCase();
  return mapChars(text, (char) => (char === 'İ' ? 'i' : char.toLowerCase()));
}

function mapChars(text: string, map: (char: string) => string): string {
  let out = '';
  for (const char of text) {
    const mapped = map(char);
    out += Array.from(mapped).length === 1 ? mapped : char;
  }
  return out;
}

/** Letters whose title case differs from their upper case: digraphs. */
const titleCase = new Map(Array.from('ǄǅǆǇǈǉǊǋǌǱǲǳ', (char, i) => [char, 'ǅǈǋǲ'[Math.floor(i / 3)]]));

/** strings.Title: the first letter of each word in upper case. */
function title(text: string): string {
  let out = '';
  let isWordStart = true;
  for (const char of text) {
    const mapped = isWordStart ? (titleCase.get(char) ?? char.toUpperCase()) : char;
    out += Array.from(mapped).length === 1 ? mapped : char;
    isWordStart = char < '\x80' ? !/[A-Za-z0-9_]/.test(char) : /^[\s\u0085]$/.test(char) && char !== '\ufeff';
  }
  return out;
}

/** strings.Replace: replaces the first n, or all when n is negative. */
function replace(text: string, from: string, to: string, n: number, context: CallContext): string {
  if (n === 0 || from === to) return text;
  const limit = n < 0 ? Infinity : n;
  if (from === '') {
    const chars = Array.from(text);
    context.checkSize(text.length + Math.min(limit, chars.length + 1) * to.length);
    let out = '';
    for (let i = 0; i <= chars.length; i++) out += (i < limit ? to : '') + (chars[i] ?? '');
    return out;
  }
  let out = '';
  let at = 0;
  for (let replacedCount = 0; replacedCount < limit; replacedCount++) {
    const matchAt = text.indexOf(from, at);
    if (matchAt < 0) break;
    out += text.slice(at, matchAt) + to;
    at = matchAt + from.length;
    context.checkSize(out.length);
  }
  return out + text.slice(at);
}

function trimLeft(text: string, cutset: string): string {
  const cut = new Set(cutset);
  let at = 0;
  for (const char of text) {
    if (!cut.has(char)) break;
    at += char.length;
  }
  return text.slice(at);
}

function trimRight(text: string, cutset: string): string {
  const cut = new Set(cutset);
  let end = text.length;
  while (end > 0) {
    const isPair = end > 1 && /[\udc00-\udfff]/.test(text[end - 1]) && /[\ud800-\udbff]/.test(text[end - 2]);
    const width = isPair ? 2 : 1;
    if (!cut.has(text.slice(end - width, end))) break;
    end -= width;
  }
  return text.slice(0, end);
}

function trimPrefix(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

function trimSuffix(text: string, suffix: string): string {
  return text.endsWith(suffix) ? text.slice(0, text.length - suffix.length) : text;
}

/** Unicode's white space. JavaScript's trim also removes U+FEFF, which is none, and keeps U+0085. */
const isSpace = /^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/;

export function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace.test(text[start])) start++;
  while (end > start && isSpace.test(text[end - 1])) end--;
  return text.slice(start, end);
}

function repeat(count: number, text: string, context: CallContext): string {
  if (count < 0) throw new CallError('strings: negative Repeat count');
  context.checkSize(count * text.length);
  return text.length === 0 ? '' : text.repeat(count);
}

function indent(spaces: number, text: string, context: CallContext): string {
  const pad = repeat(spaces, ' ', context);
  context.checkSize(text.length + (text.split('\n').length - 1) * pad.length);
  return pad + text.replaceAll('\n', `\n${pad}`);
}

/** The first `count` bytes; with a negative count the last ones. */
function trunc(count: number, text: string): string {
  const length = byteLength(text);
  if (count < 0 && length + count > 0) return sliceBytes(text, length + count, length);
  return count >= 0 && length > count ? sliceBytes(text, 0, count) : text;
}

function substring(start: number, end: number, text: string): string {
  const length = byteLength(text);
  if (start < 0) {
    if (end < 0) throw outOfRange(`[:${end}]`);
    if (end > length) throw outOfRange(`[:${end}] with length ${length}`);
    return sliceBytes(text, 0, end);
  }
  const to = end < 0 || end > length ? length : end;
  if (start > to) throw outOfRange(`[${start}:${to}]`);
  return sliceBytes(text, start, to);
}

function outOfRange(bounds: string): CallError {
  return new CallError(`runtime error: slice bounds out of range ${bounds}`);
}

/** Pads or cuts a text to exactly `count` characters. */
function align(count: number, text: string, isLeft: boolean, context: CallContext): string {
  const chars = Array.from(text);
  if (count < 0 || chars.length === count) return text;
  if (chars.length > count) {
    return (isLeft ? chars.slice(0, count) : chars.slice(chars.length - count)).join('');
  }
  context.checkSize(count);
  const pad = ' '.repeat(count - chars.length);
  return isLeft ? text + pad : pad + text;
}

function queryUnescape(text: string): string {
  const fault = /%(?![0-9a-fA-F]{2})/.exec(text);
  if (fault) {
    // The error shows three bytes, even if they cut a character.
    const quotedBytes = Buffer.from(text.slice(fault.index, fault.index + 3), 'utf8').subarray(0, 3);
    throw new CallError(`invalid URL escape ${quoteBytes(quotedBytes)}`);
  }
  if (!/[%+]/.test(text)) return text;
  const spaced = text.replaceAll('+', ' ');
  if (!spaced.includes('%')) return spaced;
  const source = Buffer.from(spaced, 'utf8');
  const bytes = Buffer.alloc(source.length);
  let length = 0;
  for (let i = 0; i < source.length; i++) {
    if (source[i] === 0x25) {
      bytes[length++] = parseInt(source.toString('latin1', i + 1, i + 3), 16);
      i += 2;
    } else bytes[length++] = source[i];
  }
  return decodeBytes(bytes.subarray(0, length));
}

/** The decoded text or, as in sprig, the text of the error: illegal base64 data at input byte 4. */
function base64Decode(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  const wrong = firstIllegalByte(bytes);
  if (wrong >= 0) return `illegal base64 data at input byte ${wrong}`;
  return decodeBytes(Buffer.from(text, 'base64'));
}

/**
 * Position of the first byte that RFC 4648 does not allow, apart from newlines and missing padding; -1: none.
 */
function firstIllegalByte(bytes: Buffer): number {
  let inGroup = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === 10 || byte === 13) continue;
    if (byte !== 0x3d) {
      if (!/[A-Za-z0-9+/]/.test(String.fromCharCode(byte))) return i;
      inGroup = (inGroup + 1) % 4;
      continue;
    }
    if (inGroup < 2) return i;
    let next = skipNewlines(bytes, i + 1);
    if (inGroup === 2) {
      if (next >= bytes.length) return -1;
      if (bytes[next] !== 0x3d) return next - 1;
      next = skipNewlines(bytes, next + 1);
    }
    return next < bytes.length ? next : -1;
  }
  return inGroup === 1 ? bytes.length - 1 : -1;
}

function skipNewlines(bytes: Buffer, at: number): number {
  while (at < bytes.length && (bytes[at] === 10 || bytes[at] === 13)) at++;
  return at;
}

function regexReplace(
  pattern: string,
  text: string,
  to: string,
  expands: boolean,
  context: CallContext,
): string {
  const regex = context.regex(pattern);
  // An upper bound of the result: matches may be empty, and a template may repeat a group.
  if ((text.length + 1) * (to.length + 1) > 1 << 20) {
    const references = expands ? (to.match(/\$/g) ?? []).length : 0;
    const matches = regex.findAllCount(text);
    context.checkSize(matches * to.length + references * text.length);
  }
  return expands ? regex.replaceAll(text, to) : regex.replaceAllLiteral(text, to);
}
