/** Numbers and sizes in queries, as Go reads and writes them. */
import { formatFloat as formatGoFloat } from '@loki/go';

/**
 * Go's strconv.ParseFloat for the number tokens of our scanner.
 *
 * @returns the number, or the text of Go's error
 */
export function parseFloatGo(text: string): number | string {
  const failure = (reason: string) => `strconv.ParseFloat: parsing ${JSON.stringify(text)}: ${reason}`;
  if (misplacedUnderscore.test(text)) return failure('invalid syntax');
  const plain = text.replaceAll('_', '');
  const hex = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?[pP]([+-]?\d+)$/.exec(plain);
  let value: number;
  if (hex) {
    const [, sign, integer, fraction = '', exponent] = hex;
    if (integer + fraction === '') return failure('invalid syntax');
    const mantissa = Number(BigInt(`0x0${integer}${fraction}`));
    value = (sign === '-' ? -1 : 1) * mantissa * 2 ** (Number(exponent) - 4 * fraction.length);
  } else {
    if (!/^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(plain)) return failure('invalid syntax');
    value = Number(plain);
  }
  return Number.isFinite(value) ? value : failure('value out of range');
}

/** Matches a misplaced `_`: it must be between two digits, or between the prefix of a base and a digit. */
export const misplacedUnderscore = /^_|[^0-9a-fA-FxXoObB]_|__|_(?![0-9a-fA-F])/;

/**
 * Go's FormatFloat(value, 'f', -1, 64): the shortest digits that parse to the same value, without an
 * exponent.
 */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const text = Object.is(value, -0) ? '-0' : String(value);
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (!match) return text;
  const [, sign, first, digitsAfter = '', exponentText] = match;
  const digits = first + digitsAfter;
  const exponent = Number(exponentText);
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length > exponent + 1) {
    return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
  }
  return sign + digits.padEnd(exponent + 1, '0');
}

/** Go's %f: `1.000000`. Some texts of Loki show numbers so. */
export function formatSixDigits(value: number): string {
  return formatGoFloat(value, 'f', 6);
}

const byteUnits = new Map<string, number>([['B', 1]]);
for (const [power, letter] of ['', 'K', 'M', 'G', 'T', 'P'].entries()) {
  if (letter === '') continue;
  byteUnits.set(letter, 1000 ** power);
  byteUnits.set(`${letter}B`, 1000 ** power);
  byteUnits.set(`${letter}iB`, 1024 ** power);
}
byteUnits.set('kB', 1000);

/** Parses a size of a query (`5MB`, `1.5KiB`) to whole bytes; undefined for other texts. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d*)?|\.\d+)([a-zA-Z]+)$/.exec(text);
  const unit = match ? byteUnits.get(match[2]) : undefined;
  if (match === null || unit === undefined) return undefined;
  const bytes = Math.trunc(Number(match[1]) * unit);
  return bytes < 2 ** 64 ? bytes : undefined;
}

const decimalUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** Writes a size in decimal units, with one fraction digit below ten: `5B`, `1.5kB`, `10MB`. Not exact. */
export function formatByteSize(bytes: number): string {
  if (bytes < 10) return `${bytes}B`;
  const power = Math.min(Math.floor(Math.log(bytes) / Math.log(1000)), decimalUnits.length - 1);
  const value = Math.floor((bytes / 1000 ** power) * 10 + 0.5) / 10;
  // Ties are rounded to even: 12.5kB is shown as 12kB.
  return formatGoFloat(value, 'f', value >= 10 ? 0 : 1) + decimalUnits[power];
}
