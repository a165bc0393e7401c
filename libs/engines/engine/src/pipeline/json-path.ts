import { blockEnd, jsonErrors, skipBlanks, tokenEnd } from '@loki/go';
import { latin1Text, utf8Text } from '../common/byte-text.ts';
import type { ByteText } from '../common/byte-text.ts';
import { hasEscape, stringEnd, unescapeBytes } from './json-scan.ts';
import { isScalar } from './json-stage.ts';

/** Steps into a JSON value: names of fields, numbers of elements. */
export type JsonPath = readonly (JsonField | number)[];

/** A field name, as text and as it stands in most lines. */
interface JsonField {
  readonly name: string;
  readonly bytes: Buffer;
}

export function compileJsonPath(steps: readonly (string | number)[]): JsonPath {
  return steps.map((step) =>
    typeof step === 'number' ? step : { name: step, bytes: Buffer.from(step, 'utf8') },
  );
}

const quote = 0x22;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;

/**
 * Why the last path led to a field whose value cannot be read; '' otherwise. A second result would cost an
 * object.
 */
export let pathFailure = '';

/**
 * The value at `path` in the JSON text bytes[start..end), as a label shows it: strings unescaped, objects and
 * arrays as they are written, null as nothing. '' when there is none. Of a field given twice the first
 * counts. Text behind the place where the value is found is not looked at, so it need not be JSON. Sets
 * `pathFailure`.
 */
export function jsonValueAt(
  bytes: Buffer,
  start: number,
  end: number,
  path: JsonPath,
  texts: ByteText,
): string {
  pathFailure = '';
  let at = skipBlanks(bytes, start, end);
  for (const step of path) {
    at = typeof step === 'number' ? elementAt(bytes, at, end, step) : fieldAt(bytes, at, end, step);
    if (at < 0) return '';
  }
  const text = valueText(bytes, at, end, texts);
  if (text !== undefined) return text;
  // Elements of arrays are none, where fields are broken.
  if (typeof path.at(-1) !== 'number') pathFailure = failureAt(bytes, at, end);
  return '';
}

/** The words for a value that has no end, or that begins like none. */
function failureAt(bytes: Buffer, at: number, end: number): string {
  if (at >= end) return jsonErrors.malformed;
  const first = bytes[at];
  if (first === quote) return jsonErrors.string;
  if (first === openBrace) return jsonErrors.object;
  return first === openBracket ? jsonErrors.array : jsonErrors.unknownValue;
}

/** Undefined: there is no value. */
function valueText(bytes: Buffer, at: number, end: number, texts: ByteText): string | undefined {
  if (at >= end) return undefined;
  const after = valueEnd(bytes, at, end);
  if (after < 0) return undefined;
  const first = bytes[at];
  if (first === openBrace || first === openBracket) return utf8Text(bytes, at, after);
  if (first !== quote) {
    if (!isScalar(bytes, at, after)) return undefined;
    const word = latin1Text(bytes, at, after);
    return word === 'null' ? '' : word;
  }
  if (!hasEscape(bytes, at + 1, after - 1)) return texts.text(bytes, at + 1, after - 1);
  return unescapeBytes(bytes, at + 1, after - 1) ?? '';
}

/** Index after the value at `at`; -1 when it does not end. */
function valueEnd(bytes: Buffer, at: number, end: number): number {
  const first = bytes[at];
  if (first === quote) return stringEnd(bytes, at + 1, end);
  if (first === openBrace) return blockEnd(bytes, at, end, openBrace);
  if (first === openBracket) return blockEnd(bytes, at, end, openBracket);
  return tokenEnd(bytes, at, end);
}

/** Where the value of a field starts in the object at `at`; -1 when there is no such object or field. */
function fieldAt(bytes: Buffer, at: number, end: number, field: JsonField): number {
  if (at >= end || bytes[at] !== openBrace) return -1;
  at = skipBlanks(bytes, at + 1, end);
  while (at < end && bytes[at] === quote) {
    const keyStart = at + 1;
    const keyEnd = stringEnd(bytes, keyStart, end);
    if (keyEnd < 0) return -1;
    at = skipBlanks(bytes, keyEnd, end);
    if (at >= end || bytes[at] !== 0x3a) return -1;
    at = skipBlanks(bytes, at + 1, end);
    if (isKey(bytes, keyStart, keyEnd - 1, field)) return at;
    at = nextItem(bytes, at, end);
    if (at < 0) return -1;
  }
  return -1;
}

function isKey(bytes: Buffer, start: number, end: number, { name, bytes: wanted }: JsonField): boolean {
  if (end - start === wanted.length) {
    let i = 0;
    while (i < wanted.length && bytes[start + i] === wanted[i]) i++;
    // Escapes make a key longer than what it means, so that this length is only ever right as it stands.
    return i === wanted.length && !hasEscape(bytes, start, end);
  }
  return (
    end - start > wanted.length && hasEscape(bytes, start, end) && unescapeBytes(bytes, start, end) === name
  );
}

/** Where element `index` starts in the array at `at`; -1 when there is no such array or element. */
function elementAt(bytes: Buffer, at: number, end: number, index: number): number {
  if (at >= end || bytes[at] !== openBracket) return -1;
  at = skipBlanks(bytes, at + 1, end);
  for (let i = 0; at < end && bytes[at] !== closeBracket; i++) {
    if (i === index) return at;
    at = nextItem(bytes, at, end);
    if (at < 0) return -1;
  }
  return -1;
}

/** Behind the value at `at` and the comma after it; -1 when no comma follows. */
function nextItem(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return -1;
  const after = valueEnd(bytes, at, end);
  if (after < 0) return -1;
  at = skipBlanks(bytes, after, end);
  return at < end && bytes[at] === 0x2c ? skipBlanks(bytes, at + 1, end) : -1;
}
