import { CallError } from './errors.ts';
import { parseFloatText } from './number.ts';
import { quote } from './quote.ts';
import { trimSpace } from './text-functions.ts';

const durationUnits = new Map([
  ['ns', 1n],
  ['us', 1000n],
  ['µs', 1000n],
  ['μs', 1000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
]);

/** time.ParseDuration: nanoseconds, or the text of its error. */
export function parseDuration(text: string): bigint | string {
  const invalid = `time: invalid duration ${quoteAscii(text)}`;
  const isNegative = text.startsWith('-');
  const body = text.replace(/^[+-]/, '');
  if (body === '0') return 0n;
  if (body === '') return invalid;
  const part = /([0-9]*)(\.[0-9]*)?([^0-9.]*)/y;
  let total = 0n;
  while (part.lastIndex < body.length) {
    const [, whole, fraction = '', unit] = part.exec(body)!;
    if (whole === '' && fraction.length < 2) return invalid;
    // Too large a number is told before a unit that is missing.
    const count = BigInt(whole === '' ? '0' : whole);
    if (count > 1n << 63n) return invalid;
    if (unit === '') return `time: missing unit in duration ${quoteAscii(text)}`;
    const size = durationUnits.get(unit);
    if (size === undefined) return `time: unknown unit ${quoteAscii(unit)} in duration ${quoteAscii(text)}`;
    total += count * size;
    const digits = fraction.slice(1, 19);
    if (digits !== '') total += (BigInt(digits) * size) / 10n ** BigInt(digits.length);
    if (total > 1n << 63n) return invalid;
  }
  if (isNegative) return -total;
  return total > (1n << 63n) - 1n ? invalid : total;
}

/** Package time quotes by itself: all but printable ASCII as bytes. */
function quoteAscii(text: string): string {
  let out = '"';
  for (const byte of Buffer.from(text, 'utf8')) {
    const char = String.fromCharCode(byte);
    if (char === '"' || char === '\\') out += `\\${char}`;
    else out += byte < 0x20 || byte >= 0x80 ? `\\x${byte.toString(16).padStart(2, '0')}` : char;
  }
  return `${out}"`;
}

const prefixes = ['k', 'm', 'g', 't', 'p', 'e'];
const sizeUnits = new Map<string, bigint>([
  ['', 1n],
  ['b', 1n],
]);
prefixes.forEach((prefix, i) => {
  for (const unit of [prefix, `${prefix}b`]) sizeUnits.set(unit, 1000n ** BigInt(i + 1));
  for (const unit of [`${prefix}i`, `${prefix}ib`]) sizeUnits.set(unit, 1024n ** BigInt(i + 1));
});

/** Sizes as people write them, `1.5 MiB`: bytes. Throws CallError with the texts Loki's users know. */
export function parseBytes(text: string): number {
  const [digits] = /^[\p{Nd}.,]*/u.exec(text)!;
  const number = digits.replaceAll(',', '');
  const value = parseFloatText(number);
  if (value === undefined || /[^0-9.]/.test(number)) {
    throw new CallError(`strconv.ParseFloat: parsing ${quote(number)}: invalid syntax`);
  }
  const unit = trimSpace(text.slice(digits.length)).toLowerCase();
  const size = sizeUnits.get(unit);
  if (size === undefined) throw new CallError(`unhandled size name: ${unit}`);
  const bytes = number.includes('.') ? Math.floor(value * Number(size)) : Number(BigInt(number) * size);
  if (bytes >= 2 ** 64) throw new CallError(`too large: ${text}`);
  return bytes;
}
