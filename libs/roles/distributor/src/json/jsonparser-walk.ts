/** What a value looks like by its first byte. */
type JsonKind = 'string' | 'number' | 'object' | 'array' | 'boolean' | 'null';

/** A value's bytes; those of a string are without its quotes. */
export interface RawValue {
  readonly kind: JsonKind;
  readonly start: number;
  readonly end: number;
}

/** What is wrong with a value inside a stream, in the words of the Go library jsonparser. */
export const malformedString = `Value is string, but can't find closing '"' symbol`;
export const malformedValue =
  "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol";
export const malformedObject = "Value looks like object, but can't find closing '}' symbol";
const malformedArray = "Value is array, but can't find closing ']' symbol";
const malformedJson = 'Malformed JSON error';
const unknownType = 'Unknown value type';
const malformedEscape = 'Encountered an invalid escape sequence in a string';

/** What is wrong, undefined when nothing is. */
export type Problem = string | undefined;

/**
 * Walks the items of what should be an array, as jsonparser does: it trusts its caller, takes the first byte
 * for the bracket whatever it is, and complains about what follows.
 *
 * @param visit called for each item until it names a problem
 */
export function eachItem(
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  visit: (item: RawValue) => Problem,
): Problem {
  if (start === end) return malformedObject;
  let at = tokenAt(bytes, start, end);
  if (at < 0) return malformedJson;
  at = tokenAt(bytes, at + 1, end);
  if (at < 0) return malformedJson;
  if (bytes[at] === 0x5d) return undefined;
  for (;;) {
    const found = valueAt(bytes, at, end);
    if (typeof found === 'string') return found;
    const problem = visit(found);
    if (problem !== undefined) return problem;
    at = tokenAt(bytes, after(found), end);
    if (at < 0) return malformedArray;
    if (bytes[at] === 0x5d) return undefined;
    if (bytes[at] !== 0x2c) return malformedArray;
    at++;
  }
}

/** Walks the fields of an object; `nameOf` takes the escapes out of names, where it can. */
export function eachField(
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  visit: (name: string, value: RawValue) => Problem,
  nameOf: (bytes: Buffer, start: number, end: number) => string | undefined = textOf,
): Problem {
  let at = tokenAt(bytes, start, end);
  if (at < 0 || bytes[at] !== 0x7b) return malformedObject;
  at = tokenAt(bytes, at + 1, end);
  if (at < 0) return malformedJson;
  while (bytes[at] !== 0x7d) {
    if (bytes[at] !== 0x22) return malformedObject;
    const nameEnd = stringEnd(bytes, at + 1, end);
    if (nameEnd < 0) return malformedJson;
    const name = nameOf(bytes, at + 1, nameEnd);
    if (name === undefined) return malformedEscape;
    at = tokenAt(bytes, nameEnd + 1, end);
    if (at < 0 || bytes[at] !== 0x3a) return malformedJson;
    const found = valueAt(bytes, at + 1, end);
    if (typeof found === 'string') return found;
    const problem = visit(name, found);
    if (problem !== undefined) return problem;
    at = tokenAt(bytes, after(found), end);
    if (at < 0) return malformedArray;
    if (bytes[at] === 0x7d) return undefined;
    if (bytes[at] !== 0x2c) return malformedObject;
    at = tokenAt(bytes, at + 1, end);
    if (at < 0) return malformedArray;
  }
  return undefined;
}

/**
 * The text of a string's bytes, or of any other value as it stands; undefined when an escape means nothing.
 */
export function textOf(bytes: Buffer, start: number, end: number): string | undefined {
  const text = bytes.toString('utf8', start, end);
  if (!text.includes('\\')) return text;
  let isWrong = false;
  const plain = text.replace(
    /\\(?:u([dD][89a-fA-F][0-9a-fA-F]{2})(?:\\u([0-9a-fA-F]{4}))?|u([0-9a-fA-F]{4})|(["\\/bfnrt])|)/g,
    (
      _,
      high: string | undefined,
      low: string | undefined,
      hex: string | undefined,
      simple: string | undefined,
    ) => {
      if (simple !== undefined) return simpleEscapes.get(simple) ?? simple;
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      // Half of a pair without the other means nothing; what comes second is not looked at too closely.
      const second = low === undefined ? 0 : Number.parseInt(low, 16);
      if (high === undefined || second < 0xdc00) {
        isWrong = true;
        return '';
      }
      const code = 0x10000 + ((Number.parseInt(high, 16) - 0xd800) << 10) + (second - 0xdc00);
      return code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code);
    },
  );
  return isWrong ? undefined : plain;
}

/** JSON's escapes in text that is known to be well-formed; half of a pair becomes U+FFFD. */
export function unescapeLeniently(text: string): string {
  if (!text.includes('\\')) return text;
  return text
    .replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gsu, (_, hex: string | undefined, plain: string) =>
      hex === undefined ? (simpleEscapes.get(plain) ?? plain) : String.fromCharCode(Number.parseInt(hex, 16)),
    )
    .toWellFormed();
}

const simpleEscapes = new Map([
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

/** The value at the next token, or what is wrong with it. */
function valueAt(bytes: Buffer, from: number, end: number): RawValue | string {
  const start = tokenAt(bytes, from, end);
  if (start < 0) return malformedJson;
  switch (bytes[start]) {
    case 0x22: {
      const close = stringEnd(bytes, start + 1, end);
      return close < 0 ? malformedString : { kind: 'string', start: start + 1, end: close };
    }
    case 0x5b: {
      const close = blockEnd(bytes, start, end, 0x5b, 0x5d);
      return close < 0 ? malformedArray : { kind: 'array', start, end: close };
    }
    case 0x7b: {
      const close = blockEnd(bytes, start, end, 0x7b, 0x7d);
      return close < 0 ? malformedObject : { kind: 'object', start, end: close };
    }
    default:
      return scalarAt(bytes, start, end);
  }
}

function scalarAt(bytes: Buffer, start: number, end: number): RawValue | string {
  let close = start;
  while (close < end && !isScalarEnd(bytes[close])) close++;
  const first = bytes[start];
  if (first === 0x2d || (first >= 0x30 && first <= 0x39)) return { kind: 'number', start, end: close };
  const text = bytes.toString('latin1', start, close);
  if (text === 'true' || text === 'false') return { kind: 'boolean', start, end: close };
  return text === 'null' ? { kind: 'null', start, end: close } : unknownType;
}

function after(value: RawValue): number {
  return value.kind === 'string' ? value.end + 1 : value.end;
}

function tokenAt(bytes: Buffer, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
  }
  return -1;
}

/** Place of the quote that closes the text from `from` on, -1 when there is none. */
export function stringEnd(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    if (bytes[at] === 0x5c) at++;
    else if (bytes[at] === 0x22) return at;
  }
  return -1;
}

/** Behind the bracket that closes the one at `start`, -1 when there is none. */
function blockEnd(bytes: Buffer, start: number, end: number, open: number, close: number): number {
  let level = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte === 0x22) {
      at = stringEnd(bytes, at + 1, end);
      if (at < 0) return -1;
    } else if (byte === open) level++;
    else if (byte === close && --level === 0) return at + 1;
  }
  return -1;
}

function isScalarEnd(byte: number): boolean {
  return (
    byte === 0x20 ||
    byte === 0x0a ||
    byte === 0x0d ||
    byte === 0x09 ||
    byte === 0x2c ||
    byte === 0x7d ||
    byte === 0x5d
  );
}
