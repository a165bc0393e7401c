/** Values at paths of a JSON line, found without parsing the line. */
import { blockEnd, jsonErrors, skipBlanks, tokenEnd } from '@loki/go';
import { latin1Text, utf8Text } from '../common/byte-text.ts';
import type { ByteText } from '../common/byte-text.ts';
import { hasEscape, stringEnd, unescapeBytes } from './json-scan.ts';
import { isScalar } from './json-stage.ts';

/** A path into a JSON value: names of fields and indexes of elements. */
export type JsonPath = readonly (JsonField | number)[];

/** A field name, as text and as its usual bytes in lines. */
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
 * The error of the last path whose value is broken; '' : none. A variable, because a second result would cost
 * an object per call.
 */
export let pathFailure = '';

/**
 * The value at `path` in the JSON text bytes[start..end), as a label: strings unescaped, objects and arrays
 * unchanged, null as ''. '' when there is none. Of a repeated field the first one counts. The text after the
 * value is not read, so it need not be JSON. Sets `pathFailure`.
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
  // A broken value counts as absent for an array element, as an error for a field.
  if (typeof path.at(-1) !== 'number') pathFailure = failureAt(bytes, at, end);
  return '';
}

/** The error text for a value that does not end or does not start like a value. */
function failureAt(bytes: Buffer, at: number, end: number): string {
  if (at >= end) return jsonErrors.malformed;
  const first = bytes[at];
  if (first === quote) return jsonErrors.string;
  if (first === openBrace) return jsonErrors.object;
  return first === openBracket ? jsonErrors.array : jsonErrors.unknownValue;
}

/** The text of the value at `at`; undefined: there is no value. */
function valueText(bytes: Buffer, at: number, end: number, texts: ByteText): string | undefined {
  if (at >= end) return undefined;
  const valueTo = valueEnd(bytes, at, end);
  if (valueTo < 0) return undefined;
  const first = bytes[at];
  if (first === openBrace || first === openBracket) return utf8Text(bytes, at, valueTo);
  if (first !== quote) {
    if (!isScalar(bytes, at, valueTo)) return undefined;
    const word = latin1Text(bytes, at, valueTo);
    return word === 'null' ? '' : word;
  }
  if (!hasEscape(bytes, at + 1, valueTo - 1)) return texts.text(bytes, at + 1, valueTo - 1);
  return unescapeBytes(bytes, at + 1, valueTo - 1) ?? '';
}

/** The index after the value at `at`; -1 when it does not end. */
function valueEnd(bytes: Buffer, at: number, end: number): number {
  const first = bytes[at];
  if (first === quote) return stringEnd(bytes, at + 1, end);
  if (first === openBrace) return blockEnd(bytes, at, end, openBrace);
  if (first === openBracket) return blockEnd(bytes, at, end, openBracket);
  return tokenEnd(bytes, at, end);
}

/** The start of the value of a field in the object at `at`; -1 when there is no such object or field. */
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

function isKey(bytes: Buffer, start: number, end: number, { name, bytes: nameBytes }: JsonField): boolean {
  if (end - start === nameBytes.length) {
    let i = 0;
    while (i < nameBytes.length && bytes[start + i] === nameBytes[i]) i++;
    // An escaped key is longer than its name, so only an unescaped key has this length.
    return i === nameBytes.length && !hasEscape(bytes, start, end);
  }
  return (
    end - start > nameBytes.length &&
    hasEscape(bytes, start, end) &&
    unescapeBytes(bytes, start, end) === name
  );
}

/** The start of element `index` in the array at `at`; -1 when there is no such array or element. */
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

/** The index after the value at `at` and its comma; -1 when no comma follows. */
function nextItem(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return -1;
  const valueTo = valueEnd(bytes, at, end);
  if (valueTo < 0) return -1;
  at = skipBlanks(bytes, valueTo, end);
  return at < end && bytes[at] === 0x2c ? skipBlanks(bytes, at + 1, end) : -1;
}
