/** Values in templates, with Go's types and conversions. */
import type { GoTime } from '@loki/go';

/** Go's integer types of template values; the last three print as words. */
type IntType = 'int' | 'int32' | 'int64' | 'uint8' | 'time.Duration' | 'time.Month' | 'time.Weekday';

/** An integer of Go, at most 64 bits, with the name of its type for `%T` and error texts. */
export class GoInt {
  readonly value: bigint;
  readonly type: IntType;

  constructor(value: bigint, type: IntType = 'int') {
    this.value = BigInt.asIntN(64, value);
    this.type = type;
  }
}

/** The labels of the entry: map[string]string. A missing label is the empty string. */
export interface LabelMap {
  readonly isLabelMap: true;
  get(name: string): string | undefined;
  all(): Iterable<readonly [string, string]>;
}

/** A value in a template. Go's float64 is a number here; nil and Go's invalid value are null. */
export type Value =
  | string
  | number
  | boolean
  | null
  | GoInt
  | GoTime
  | LabelMap
  | readonly Value[]
  | ReadonlyMap<string, Value>;

export function int(value: number | bigint): GoInt {
  return new GoInt(BigInt(value));
}

export function int64(value: bigint): GoInt {
  return new GoInt(value, 'int64');
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isMap(value: Value): value is ReadonlyMap<string, Value> {
  return value instanceof Map;
}

export function isLabelMap(value: Value): value is LabelMap {
  return typeof value === 'object' && value !== null && 'isLabelMap' in value;
}

export function isTime(value: Value): value is GoTime {
  return typeof value === 'object' && value !== null && 'unixNs' in value;
}

/** The name of the value's type in Go's words. */
export function typeName(value: Value): string {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'number':
      return 'float64';
    case 'boolean':
      return 'bool';
    default:
  }
  if (value === null) return '<nil>';
  if (value instanceof GoInt) return value.type;
  if (isList(value)) return '[]interface {}';
  if (isMap(value)) return 'map[string]interface {}';
  return isLabelMap(value) ? 'map[string]string' : 'time.Time';
}

/** Go's kind of a value, as far as comparisons distinguish kinds. */
export function basicKind(value: Value): 'bool' | 'int' | 'uint' | 'float' | 'string' | undefined {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'number') return 'float';
  if (typeof value === 'boolean') return 'bool';
  if (value instanceof GoInt) return value.type === 'uint8' ? 'uint' : 'int';
  return undefined;
}

/** Whether the value differs from the zero of its type. */
export function truth(value: Value): boolean {
  switch (typeof value) {
    case 'string':
      return value !== '';
    case 'number':
      return value !== 0; // NaN is true, as in Go
    case 'boolean':
      return value;
    default:
  }
  if (value === null) return false;
  if (value instanceof GoInt) return value.value !== 0n;
  if (isList(value)) return value.length > 0;
  if (isMap(value)) return value.size > 0;
  return isLabelMap(value) ? !hasNone(value.all()) : true;
}

function hasNone(items: Iterable<unknown>): boolean {
  return items[Symbol.iterator]().next().done === true;
}

/** Number of bytes, entries or elements; undefined for values without length. */
export function lengthOf(value: Value): number | undefined {
  if (typeof value === 'string') return byteLength(value);
  if (isList(value)) return value.length;
  if (value !== null && isMap(value)) return value.size;
  return isLabelMap(value) ? [...value.all()].length : undefined;
}

/** Keys and values in the order in which Go prints and ranges: sorted by bytes of the key. */
export function sortedEntries(map: ReadonlyMap<string, Value> | LabelMap): [string, Value][] {
  const entries: [string, Value][] = isLabelMap(map)
    ? Array.from(map.all(), ([name, value]) => [name, value])
    : [...map];
  return entries.sort(([a], [b]) => compareBytes(a, b));
}

/** Compares by UTF-8 bytes, which is the order of code points. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // A surrogate belongs to a code point above all others.
    const isAstralX = x >= 0xd800 && x <= 0xdfff;
    const isAstralY = y >= 0xd800 && y <= 0xdfff;
    if (isAstralX !== isAstralY) return isAstralX ? 1 : -1;
    return x - y;
  }
  return a.length - b.length;
}

export function byteLength(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** Whether every character is one byte, so that positions in the string are positions in its bytes. */
export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/**
 * text[start:end] of Go: by byte positions, which the caller has checked. Each byte of a cut character
 * becomes U+FFFD.
 */
export function sliceBytes(text: string, start: number, end: number): string {
  if (isAscii(text)) return text.slice(start, end);
  return decodeBytes(Buffer.from(text, 'utf8').subarray(start, end));
}

/** UTF-8 to a string; each invalid byte becomes U+FFFD, as when Go writes JSON. */
export function decodeBytes(bytes: Buffer): string {
  let out = '';
  let at = 0;
  while (at < bytes.length) {
    const size = runeBytes(bytes, at);
    if (size === 0) {
      out += '\ufffd';
      at++;
      continue;
    }
    const start = at;
    at += size;
    for (let next; at < bytes.length && (next = runeBytes(bytes, at)) > 0;) at += next;
    out += bytes.toString('utf8', start, at);
  }
  return out;
}

/** Size of the well-formed rune at `at`, 0: there is none. */
function runeBytes(bytes: Buffer, at: number): number {
  const lead = bytes[at];
  if (lead < 0x80) return 1;
  const size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + size > bytes.length) return 0;
  const second = bytes[at + 1];
  if (lead === 0xe0 && second < 0xa0) return 0;
  if (lead === 0xed && second > 0x9f) return 0;
  if (lead === 0xf0 && second < 0x90) return 0;
  if (lead === 0xf4 && second > 0x8f) return 0;
  for (let i = 1; i < size; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return 0;
  return size;
}
