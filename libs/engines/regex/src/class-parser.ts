/** Parses character classes and escapes of patterns in RE2's syntax. */
import { charSet, negate, runeMax } from './char-set.ts';
import type { CharSet } from './char-set.ts';
import { RegexSyntaxError, reasons } from './regex-syntax-error.ts';
import { foldSet, unicodeSet } from './unicode.ts';

interface ParsedSet {
  readonly set: CharSet;
  /** Position after the set. */
  readonly end: number;
}

const digit = [0x30, 0x39];
const upper = [0x41, 0x5a];
const lower = [0x61, 0x7a];
const word = [...digit, ...upper, 0x5f, 0x5f, ...lower];

const perlClasses = new Map<string, CharSet>([
  ['d', digit],
  ['s', [9, 10, 12, 13, 32, 32]],
  ['w', word],
]);

const posixClasses = new Map<string, CharSet>([
  ['alnum', [...digit, ...upper, ...lower]],
  ['alpha', [...upper, ...lower]],
  ['ascii', [0, 0x7f]],
  ['blank', [9, 9, 32, 32]],
  ['cntrl', [0, 0x1f, 0x7f, 0x7f]],
  ['digit', digit],
  ['graph', [0x21, 0x7e]],
  ['lower', lower],
  ['print', [0x20, 0x7e]],
  ['punct', [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e]],
  ['space', [9, 13, 32, 32]],
  ['upper', upper],
  ['word', word],
  ['xdigit', [...digit, 0x41, 0x46, 0x61, 0x66]],
]);

/** A bracket expression that starts at `start`. */
export function parseClass(text: string, start: number, fold: boolean): ParsedSet {
  let at = start + 1;
  const negated = text[at] === '^';
  if (negated) at++;
  const ranges: number[] = [];
  const groups = new Set<CharSet>();
  let isFirst = true; // ] and - are literal as the first character
  while (text[at] !== ']' || isFirst) {
    isFirst = false;
    const group =
      parsePosixClass(text, at, fold) ?? parseUnicodeClass(text, at, fold) ?? parsePerlClass(text, at, fold);
    if (group) {
      groups.add(group.set);
      at = group.end;
      continue;
    }
    const rangeStart = at;
    const low = parseClassChar(text, at, start);
    at = low.end;
    let high = low.rune;
    if (text[at] === '-' && at + 1 < text.length && text[at + 1] !== ']') {
      const last = parseClassChar(text, at + 1, start);
      at = last.end;
      high = last.rune;
      if (high < low.rune) throw new RegexSyntaxError(reasons.charRange, text.slice(rangeStart, at));
    }
    ranges.push(low.rune, high);
  }
  // Folds all ranges together, because one fold may look at every rune that has a case. Groups are folded
  // already.
  const rangeSet = charSet(ranges);
  const all = [...(fold ? foldSet(rangeSet) : rangeSet)];
  for (const group of groups) for (const edge of group) all.push(edge);
  const set = charSet(all);
  return { set: negated ? negate(set) : set, end: at + 1 };
}

function parseClassChar(text: string, at: number, classStart: number): { rune: number; end: number } {
  if (at >= text.length) throw new RegexSyntaxError(reasons.missingBracket, text.slice(classStart));
  if (text[at] === '\\') return parseEscape(text, at);
  const rune = text.codePointAt(at)!;
  return { rune, end: at + (rune > 0xffff ? 2 : 1) };
}

/**
 * The last `:]` of the current pattern. It is found once: otherwise a pattern of many `[:` would be searched
 * to its end at each of them.
 */
const lastClose = { text: '', at: -1 };

/** [:name:] or [:^name:] within a bracket expression. */
function parsePosixClass(text: string, at: number, fold: boolean): ParsedSet | undefined {
  if (text[at] !== '[' || text[at + 1] !== ':') return undefined;
  if (lastClose.text !== text) {
    lastClose.text = text;
    lastClose.at = text.lastIndexOf(':]');
  }
  if (lastClose.at < at + 2) return undefined;
  const close = text.indexOf(':]', at + 2);
  const name = text.slice(at + 2, close);
  const negated = name.startsWith('^');
  const set = posixClasses.get(negated ? name.slice(1) : name);
  if (!set) throw new RegexSyntaxError(reasons.charRange, text.slice(at, close + 2));
  return { set: group(set, negated, fold), end: close + 2 };
}

/** \d \s \w \D \S \W. */
export function parsePerlClass(text: string, at: number, fold: boolean): ParsedSet | undefined {
  if (text[at] !== '\\' || at + 1 >= text.length) return undefined;
  const letter = text[at + 1];
  const set = perlClasses.get(letter.toLowerCase());
  return set && { set: group(set, letter < 'a', fold), end: at + 2 };
}

/** Cached variants of a named set: itself, folded, negated, folded and negated. */
const variants = new WeakMap<CharSet, (CharSet | undefined)[]>();

/** A variant of a named set; the same object for the same arguments. */
function group(set: CharSet, negated: boolean, fold: boolean): CharSet {
  let cached = variants.get(set);
  if (!cached) variants.set(set, (cached = [set]));
  const positive = fold ? (cached[1] ??= foldSet(set)) : set;
  if (!negated) return positive;
  return (cached[fold ? 3 : 2] ??= negate(positive));
}

/** \pN, \p{Greek}, \P{^Greek}. */
export function parseUnicodeClass(text: string, at: number, fold: boolean): ParsedSet | undefined {
  const letter = text[at + 1];
  if (text[at] !== '\\' || (letter !== 'p' && letter !== 'P')) return undefined;
  let end: number;
  let name: string;
  if (text[at + 2] === '{') {
    const close = text.indexOf('}', at);
    if (close < 0) throw new RegexSyntaxError(reasons.charRange, text.slice(at));
    name = text.slice(at + 3, close);
    end = close + 1;
  } else {
    const rune = text.codePointAt(at + 2);
    end = at + 2 + (rune === undefined ? 0 : rune > 0xffff ? 2 : 1);
    name = text.slice(at + 2, end);
  }
  let negated = letter === 'P';
  if (name.startsWith('^')) {
    negated = !negated;
    name = name.slice(1);
  }
  const set = unicodeSet(name);
  if (!set) throw new RegexSyntaxError(reasons.charRange, text.slice(at, end));
  return { set: group(set, negated, fold), end };
}

const namedEscapes = new Map([
  ['a', 7],
  ['f', 12],
  ['n', 10],
  ['r', 13],
  ['t', 9],
  ['v', 11],
]);

/** An escape of one character; `at` is the position of the backslash. */
export function parseEscape(text: string, at: number): { rune: number; end: number } {
  if (at + 1 >= text.length) throw new RegexSyntaxError(reasons.trailingBackslash, '');
  const rune = text.codePointAt(at + 1)!;
  const char = String.fromCodePoint(rune);
  let end = at + 1 + char.length;
  const named = namedEscapes.get(char);
  if (named !== undefined) return { rune: named, end };
  if (rune < 0x80 && !/[A-Za-z0-9]/.test(char)) return { rune, end };
  if (char === 'x') return parseHex(text, at);
  if (char === '0' || (/[1-7]/.test(char) && /[0-7]/.test(text.charAt(end)))) {
    let value = Number(char);
    for (let i = 1; i < 3 && /[0-7]/.test(text.charAt(end)); i++) value = value * 8 + Number(text[end++]);
    return { rune: value, end };
  }
  throw new RegexSyntaxError(reasons.escape, text.slice(at, end));
}

/** \xFF or \x{10FFFF}; an error quotes the text up to the wrong character. */
function parseHex(text: string, start: number): { rune: number; end: number } {
  let at = start + 2;
  const braced = text[at] === '{';
  if (braced) at++;
  let value = 0;
  for (let digits = 0; at < text.length; digits++) {
    const rune = text.codePointAt(at)!;
    at += rune > 0xffff ? 2 : 1;
    if (braced && rune === 0x7d && digits > 0) return { rune: value, end: at };
    const nibble = rune < 0x80 ? '0123456789abcdef'.indexOf(String.fromCharCode(rune).toLowerCase()) : -1;
    if (!braced && digits === 0 && nibble < 0) {
      // Go reads both digits before it checks either.
      if (at < text.length) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
      break;
    }
    if (nibble < 0) break;
    value = value * 16 + nibble;
    if (value > runeMax) break;
    if (!braced && digits === 1) return { rune: value, end: at };
  }
  throw new RegexSyntaxError(reasons.escape, text.slice(start, at));
}
