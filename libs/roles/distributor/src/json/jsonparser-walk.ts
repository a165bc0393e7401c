/** A JSON reader with the behaviour and error texts of the Go library jsonparser. */
import { blockEnd, closingQuote, jsonErrors, jsonEscapes, skipBlanks, tokenEnd } from '@loki/go';

/** The kind of a value, by its first byte. */
type JsonKind = 'string' | 'number' | 'object' | 'array' | 'boolean' | 'null';

/** A value's bytes; those of a string are without its quotes. */
export interface RawValue {
  readonly kind: JsonKind;
  readonly start: number;
  readonly end: number;
}

/** A fault in jsonparser's words; undefined: none. */
export type Problem = string | undefined;

/**
 * Walks the items of an array as jsonparser does: it takes the first byte for the bracket without a check,
 * and reports faults behind it.
 *
 * @param visit called for each item until it names a problem
 */
export function eachItem(
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  visit: (item: RawValue) => Problem,
): Problem {
  if (start === end) return jsonErrors.object;
  let at = skipBlanks(bytes, start, end);
  if (at === end) return jsonErrors.malformed;
  at = skipBlanks(bytes, at + 1, end);
  if (at === end) return jsonErrors.malformed;
  if (bytes[at] === 0x5d) return undefined;
  for (;;) {
    const value = valueAt(bytes, at, end);
    if (typeof value === 'string') return value;
    const problem = visit(value);
    if (problem !== undefined) return problem;
    at = skipBlanks(bytes, after(value), end);
    if (at === end) return jsonErrors.array;
    if (bytes[at] === 0x5d) return undefined;
    if (bytes[at] !== 0x2c) return jsonErrors.array;
    at++;
  }
}

/** Walks the fields of an object; `nameOf` resolves the escapes of names, where possible. */
export function eachField(
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  visit: (name: string, value: RawValue) => Problem,
  nameOf: (bytes: Buffer, start: number, end: number) => string | undefined = textOf,
): Problem {
  let at = skipBlanks(bytes, start, end);
  if (at === end || bytes[at] !== 0x7b) return jsonErrors.object;
  at = skipBlanks(bytes, at + 1, end);
  if (at === end) return jsonErrors.malformed;
  while (bytes[at] !== 0x7d) {
    if (bytes[at] !== 0x22) return jsonErrors.object;
    const nameEnd = closingQuote(bytes, at + 1, end);
    if (nameEnd < 0) return jsonErrors.malformed;
    const name = nameOf(bytes, at + 1, nameEnd);
    if (name === undefined) return jsonErrors.escape;
    at = skipBlanks(bytes, nameEnd + 1, end);
    if (at === end || bytes[at] !== 0x3a) return jsonErrors.malformed;
    const value = valueAt(bytes, at + 1, end);
    if (typeof value === 'string') return value;
    const problem = visit(name, value);
    if (problem !== undefined) return problem;
    at = skipBlanks(bytes, after(value), end);
    if (at === end) return jsonErrors.array;
    if (bytes[at] === 0x7d) return undefined;
    if (bytes[at] !== 0x2c) return jsonErrors.object;
    at = skipBlanks(bytes, at + 1, end);
    if (at === end) return jsonErrors.array;
  }
  return undefined;
}

/** Text of a string, or of any other value as it stands; undefined for an invalid escape. */
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
      if (simple !== undefined) return jsonEscapes.get(simple) ?? simple;
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      // A surrogate without its partner is invalid; the second one is not checked closely.
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

/** The value at the next token, or its fault. */
function valueAt(bytes: Buffer, from: number, end: number): RawValue | string {
  const start = skipBlanks(bytes, from, end);
  if (start === end) return jsonErrors.malformed;
  switch (bytes[start]) {
    case 0x22: {
      const close = closingQuote(bytes, start + 1, end);
      return close < 0 ? jsonErrors.string : { kind: 'string', start: start + 1, end: close };
    }
    case 0x5b: {
      const close = blockEnd(bytes, start, end, 0x5b);
      return close < 0 ? jsonErrors.array : { kind: 'array', start, end: close };
    }
    case 0x7b: {
      const close = blockEnd(bytes, start, end, 0x7b);
      return close < 0 ? jsonErrors.object : { kind: 'object', start, end: close };
    }
    default:
      return scalarAt(bytes, start, end);
  }
}

function scalarAt(bytes: Buffer, start: number, end: number): RawValue | string {
  const close = tokenEnd(bytes, start, end);
  const first = bytes[start];
  if (first === 0x2d || (first >= 0x30 && first <= 0x39)) return { kind: 'number', start, end: close };
  const text = bytes.toString('latin1', start, close);
  if (text === 'true' || text === 'false') return { kind: 'boolean', start, end: close };
  return text === 'null' ? { kind: 'null', start, end: close } : jsonErrors.unknownValue;
}

function after(value: RawValue): number {
  return value.kind === 'string' ? value.end + 1 : value.end;
}
