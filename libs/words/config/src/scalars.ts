/** Scalars of the configuration as YAML and flags write them: durations, sizes, numbers, lists. */
import {
  formatGoDuration,
  formatPrometheusDuration,
  parseGoDuration,
  parsePrometheusDuration,
} from '@loki/go';
import type { KeyKind } from './schema.ts';

/**
 * A parsed value of a configured key: durations are nanoseconds, sizes bytes, times Unix milliseconds.
 */
export type SettingValue = unknown;

/** Thrown for a text that is no value of the key's kind. The caller puts the place before the message. */
export class ScalarError extends Error {}

/**
 * Parses one scalar as YAML and flags write it.
 *
 * @throws ScalarError in the words of Go's YAML and flag packages
 */
export function parseScalar(kind: KeyKind, text: string): SettingValue {
  switch (kind) {
    case 'string':
      return text;
    case 'bool':
      return parseBool(text);
    case 'int':
      return parseInteger(text);
    case 'float':
      return parseFloatText(text);
    case 'size':
      return parseSize(text);
    case 'duration':
      return parseGoConfigDuration(text);
    case 'promduration':
      return parseLimitDuration(text);
    case 'time':
      return parseTime(text);
    case 'list':
      return text === '' ? [] : text.split(/[,\s]+/).filter((part) => part !== '');
    default:
      throw new ScalarError(`cannot unmarshal !!str \`${text}\` into ${kind}`);
  }
}

const booleans = new Map([
  ...['true', 'True', 'TRUE', 'yes', 'Yes', 'YES', 'on', 'On', 'ON', '1', 't', 'T'].map(
    (t) => [t, true] as const,
  ),
  ...['false', 'False', 'FALSE', 'no', 'No', 'NO', 'off', 'Off', 'OFF', '0', 'f', 'F'].map(
    (t) => [t, false] as const,
  ),
]);

function parseBool(text: string): boolean {
  const value = booleans.get(text);
  if (value === undefined) throw new ScalarError(`cannot unmarshal !!str \`${text}\` into bool`);
  return value;
}

/** Go's largest integers; a larger number is no integer of any field. */
const int64Bound = 2 ** 63;

/** As Go's YAML decodes a number into an integer field: any base by its prefix; a fraction is truncated. */
function parseInteger(text: string): number {
  const value = parseNumber(text);
  if (value === undefined || Math.abs(value) > 2 * int64Bound) {
    throw new ScalarError(`cannot unmarshal !!str \`${text}\` into int`);
  }
  // The largest int64 is a common way to write "no limit": it becomes the largest exact integer here.
  const exact = Math.min(Math.max(value, -Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  return Math.trunc(exact) + 0;
}

function parseFloatText(text: string): number {
  if (/^\+?\.(?:inf|Inf|INF)$/.test(text)) return Number.MAX_SAFE_INTEGER;
  const value = parseNumber(text);
  if (value === undefined) throw new ScalarError(`cannot unmarshal !!str \`${text}\` into float64`);
  return value;
}

/**
 * A plain YAML number, as Go's decoder resolves it: `0x1F`, `0b11`, `0o17` and `017` are integers of their
 * base, `_` separates digits, and `1.572864e+06`, `5e3`, `.5` are decimal. Helm writes integers from a
 * million on with an exponent.
 */
function parseNumber(text: string): number | undefined {
  const plain = text.replaceAll('_', '');
  const [, sign, digits] = /^([+-]?)(.*)$/s.exec(plain)!;
  const octal = /^0[oO]?([0-7]+)$/.exec(digits)?.[1];
  const value =
    octal !== undefined
      ? Number(`0o${octal}`)
      : /^(?:0[xX][0-9a-fA-F]+|0[bB][01]+|(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?)$/.test(digits)
        ? Number(digits)
        : Number.NaN;
  if (!Number.isFinite(value)) return undefined;
  return sign === '-' ? -value : value;
}

/** Both KB and KiB are 1024 here, as in Loki's own defaults. */
const sizeUnits = ['', 'K', 'M', 'G', 'T', 'P'];

/**
 * Bytes: `262144`, `256KB`, `1.5 MB`, `64MiB`, `63KiB1023B`.
 *
 * @throws ScalarError when the text is no size
 */
export function parseSize(text: string): number {
  const part = /(\d+(?:\.\d+)?)\s*([kKMGTP]?)(?:i?[bB])?\s*/y;
  let total = 0;
  const trimmed = text.trim();
  if (/^[\d.]+[eE][-+]?\d+$|^0[xXoO]/.test(trimmed)) return parseInteger(trimmed);
  while (part.lastIndex < trimmed.length) {
    const match = part.exec(trimmed);
    if (!match) {
      throw new ScalarError(
        `cannot unmarshal !!str \`${text}\` into a size: use a number of bytes or 64KB, 3MB, 1GiB`,
      );
    }
    total += Number(match[1]) * 1024 ** sizeUnits.indexOf(match[2].toUpperCase());
  }
  if (trimmed === '' || total > Number.MAX_SAFE_INTEGER) {
    throw new ScalarError(`cannot unmarshal !!str \`${text}\` into a size`);
  }
  return Math.floor(total);
}

/**
 * A plain number is nanoseconds, as in Go. Units of a day and longer are accepted too, which Go does not
 * have.
 */
function parseGoConfigDuration(text: string): bigint {
  const value = parseGoDuration(text) ?? parsePrometheusDuration(text);
  if (value !== undefined) return value;
  const ns = parseNumber(text);
  if (ns !== undefined && Math.abs(ns) < int64Bound) return BigInt(Math.trunc(ns));
  throw new ScalarError(`time: invalid duration ${JSON.stringify(text)}`);
}

function parseLimitDuration(text: string): bigint {
  const value = parsePrometheusDuration(text) ?? parseGoDuration(text);
  if (value === undefined) throw new ScalarError(`not a valid duration string: ${JSON.stringify(text)}`);
  return value;
}

function parseTime(text: string): number {
  if (text === '' || text === '0') return 0;
  const ms = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new ScalarError(`cannot unmarshal !!str \`${text}\` into a time: use 2024-05-01T00:00:00Z`);
  }
  // Go's zero time, 0001-01-01, means "never".
  return Math.max(ms, 0);
}

/** The value as YAML shows it: durations and sizes with units. */
export function renderScalar(kind: KeyKind, value: SettingValue): unknown {
  switch (kind) {
    case 'duration':
      return formatGoDuration(value as bigint);
    case 'promduration':
      return formatPrometheusDuration(value as bigint);
    case 'size':
      return renderSize(value as number);
    case 'time':
      return value === 0
        ? '0001-01-01T00:00:00Z'
        : new Date(value as number).toISOString().replace('.000Z', 'Z');
    default:
      return value;
  }
}

/** The largest unit that divides the size: 262144 is `256KB`, 1000 is `1000B`. */
export function renderSize(bytes: number): string {
  let unit = 0;
  let count = bytes;
  while (count > 0 && count % 1024 === 0 && unit < sizeUnits.length - 1) {
    count /= 1024;
    unit++;
  }
  return `${count}${sizeUnits[unit]}B`;
}

/** The items of a list in one text, separated by commas, without empty ones. */
export function addressList(text: string): readonly string[] {
  return text
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
}
