/**
 * JSON text as the Go library jsonparser walks it: values are delimited by their brackets and quotes alone.
 * Distributors read streams with it, queriers the lines of `| json`.
 */

/**
 * Errors for broken JSON in the words of the Go library jsonparser: users see them in errors and in
 * `__error_details__`.
 */
export const jsonErrors = {
  malformed: 'Malformed JSON error',
  string: `Value is string, but can't find closing '"' symbol`,
  array: "Value is array, but can't find closing ']' symbol",
  object: "Value looks like object, but can't find closing '}' symbol",
  value: "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol",
  unknownValue: 'Unknown value type',
  escape: 'Encountered an invalid escape sequence in a string',
} as const;

const quote = 0x22;
const backslash = 0x5c;

/** First byte from `at` on that is no JSON blank; `end` when there is none. */
export function skipBlanks(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
  return end;
}

/** Place of the quote that closes the string whose first byte is at `at`; -1 when it never closes. */
export function closingQuote(bytes: Uint8Array, at: number, end: number): number {
  for (; at < end; at++) {
    const byte = bytes[at];
    if (byte === quote) return at;
    if (byte === backslash) at++;
  }
  return -1;
}

/**
 * Index after the bracket that closes the one at `start`; -1 when it never closes. Brackets in strings do not
 * count.
 *
 * @param open `[` or `{`; the closing bracket is two characters further in ASCII
 */
export function blockEnd(bytes: Uint8Array, start: number, end: number, open: number): number {
  const close = open + 2;
  let level = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte === quote) {
      at = closingQuote(bytes, at + 1, end);
      if (at < 0) return -1;
    } else if (byte === open) level++;
    else if (byte === close && --level === 0) return at + 1;
  }
  return -1;
}

/** End of a number or word: the next blank, comma or closing bracket, or `end`. */
export function tokenEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at];
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return at;
    if (byte === 0x2c || byte === 0x7d || byte === 0x5d) return at;
    at++;
  }
  return end;
}

/** Characters that may stand behind a backslash, and their meaning; `u` is handled separately. */
export const jsonEscapes: ReadonlyMap<string, string> = new Map([
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
 * A JSON string's text with its escapes resolved; undefined when JSON does not have one of them. A lone
 * surrogate becomes U+FFFD.
 *
 * @param extra one more character that a backslash may escape; it means itself
 */
export function unescapeJson(text: string, extra = ''): string | undefined {
  let at = text.indexOf('\\');
  if (at < 0) return text;
  let out = '';
  let from = 0;
  for (; at >= 0; at = text.indexOf('\\', from)) {
    out += text.slice(from, at);
    const letter = text[at + 1];
    const simple = letter === extra ? extra : jsonEscapes.get(letter);
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
  return (out + text.slice(from)).toWellFormed();
}
