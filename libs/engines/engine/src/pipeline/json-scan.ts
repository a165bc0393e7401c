import { utf8Text } from '../common/byte-text.ts';

/** Where JSON text breaks off, in the words that Loki's users see in `__error_details__`. */
export const jsonErrors = {
  malformed: 'Malformed JSON error',
  string: `Value is string, but can't find closing '"' symbol`,
  array: "Value is array, but can't find closing ']' symbol",
  object: "Value looks like object, but can't find closing '}' symbol",
  unknownValue: 'Unknown value type',
  escape: 'Encountered an invalid escape sequence in a string',
} as const;

const quote = 0x22;
const backslash = 0x5c;

/** First byte from `at` on that is no JSON blank; `end` when there is none. */
export function skipBlanks(bytes: Buffer, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
  return end;
}

/**
 * Whether the string that `stringEnd` read last has escapes: found on the way, and a second result would cost
 * an object.
 */
export let sawEscape = false;

/**
 * Index after the closing quote of the string whose first byte is at `at`; -1 when it never closes. Sets
 * `sawEscape`.
 */
export function stringEnd(bytes: Buffer, at: number, end: number): number {
  sawEscape = false;
  while (at < end) {
    const byte = bytes[at];
    if (byte === quote) return at + 1;
    if (byte === backslash) {
      sawEscape = true;
      at++;
    }
    at++;
  }
  return -1;
}

/**
 * Index after the bracket that closes the one at `at`; -1 when it never closes. Brackets in strings do not
 * count.
 */
export function blockEnd(bytes: Buffer, at: number, end: number, open: number, close: number): number {
  let level = 0;
  while (at < end) {
    const byte = bytes[at];
    if (byte === quote) {
      at = stringEnd(bytes, at + 1, end);
      if (at < 0) return -1;
      continue;
    }
    at++;
    if (byte === open) level++;
    else if (byte === close && --level === 0) return at;
  }
  return -1;
}

/** End of a number or word: the next blank, comma or closing bracket, or `end`. */
export function tokenEnd(bytes: Buffer, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at];
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return at;
    if (byte === 0x2c || byte === 0x7d || byte === 0x5d) return at;
    at++;
  }
  return end;
}

/** True when bytes[start..end) hold a backslash. */
export function hasEscape(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === backslash) return true;
  return false;
}

const simpleEscapes = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

/**
 * Text between quotes with its escapes resolved; undefined when one of them is none of JSON's.
 *
 * @param extra a further character that may stand behind a backslash for itself
 */
export function unescapeJson(bytes: Buffer, start: number, end: number, extra = ''): string | undefined {
  const text = utf8Text(bytes, start, end);
  let out = '';
  let from = 0;
  for (let at = text.indexOf('\\'); at >= 0; at = text.indexOf('\\', from)) {
    out += text.slice(from, at);
    const letter = text[at + 1];
    const simple = letter === extra ? extra : simpleEscapes.get(letter);
    if (simple !== undefined) {
      out += simple;
      from = at + 2;
      continue;
    }
    const hex = text.slice(at + 2, at + 6);
    if (letter !== 'u' || !/^[0-9a-fA-F]{4}$/.test(hex)) return undefined;
    out += String.fromCharCode(parseInt(hex, 16));
    from = at + 6;
  }
  // A surrogate without its partner is no text: U+FFFD, as everywhere.
  return (out + text.slice(from)).toWellFormed();
}
