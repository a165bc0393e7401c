/** Numbers, durations and sizes in labels, as Loki parses them. */
import { goDurationOrProblem, parseFloatText as parseGoFloat, quoteGo } from '@loki/go';

/** A parsed value, or the error text of the Go function with which Loki parses it. */
type ValueOrError = number | string;

/** Go's strconv.ParseFloat. */
export function parseFloatOrError(text: string): ValueOrError {
  const quick = isPlainNumber(text) ? Number(text) : NaN;
  if (!Number.isNaN(quick)) return quick;
  const value = parseGoFloat(text);
  if (value === undefined) return `strconv.ParseFloat: parsing ${quoteGo(text)}: invalid syntax`;
  if (Math.abs(value) !== Infinity || /inf/i.test(text)) return value;
  return `strconv.ParseFloat: parsing ${quoteGo(text)}: value out of range`;
}

/**
 * Whether a text has only digits and dots, too few to overflow: `Number` and Go then parse it alike, or both
 * refuse it.
 */
function isPlainNumber(text: string): boolean {
  if (text.length === 0 || text.length > 32) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x30 || code > 0x39) && code !== 0x2e) return false;
  }
  return true;
}

/** Go's time.ParseDuration, in nanoseconds. */
export const parseDurationText: (text: string) => bigint | string = goDurationOrProblem;

const sizes = new Map<string, number>([
  ['', 1],
  ['b', 1],
]);
['k', 'm', 'g', 't', 'p', 'e'].forEach((letter, i) => {
  sizes.set(letter, 1000 ** (i + 1));
  sizes.set(`${letter}b`, 1000 ** (i + 1));
  sizes.set(`${letter}i`, 1024 ** (i + 1));
  sizes.set(`${letter}ib`, 1024 ** (i + 1));
});

const bytesMax = 2 ** 64;

/** Parses sizes like `5MB`, `1.5 GiB`, `12,000`; case does not matter. */
export function parseBytesText(text: string): ValueOrError {
  // A pattern over the whole text would overflow the stack on a value of some MiB.
  const [digits] = /^[\d.,]*/.exec(text)!;
  const unit = text.slice(digits.length);
  const value = parseFloatOrError(digits.replaceAll(',', ''));
  if (typeof value === 'string') return value;
  const name = unit.trim().toLowerCase();
  const size = sizes.get(name);
  if (size === undefined) return `unhandled size name: ${name}`;
  return value * size >= bytesMax ? `too large: ${text}` : Math.trunc(value * size);
}
