/** Durations as Go and Prometheus write them: queries, limits and configuration use both forms. */

const ns = 1n;
const us = 1000n;
export const ms = 1_000_000n;
export const second = 1_000_000_000n;
const minute = 60n * second;
const hour = 60n * minute;
const day = 24n * hour;

const goUnits = new Map([
  ['ns', ns],
  ['us', us],
  ['µs', us],
  ['μs', us],
  ['ms', ms],
  ['s', second],
  ['m', minute],
  ['h', hour],
]);

const int64Max = (1n << 63n) - 1n;

/** time.ParseDuration: nanoseconds, or the text of its error. */
export function goDurationOrProblem(text: string): bigint | string {
  const invalid = () => `time: invalid duration ${quoteAscii(text)}`;
  const isNegative = text.startsWith('-');
  const body = text.replace(/^[+-]/, '');
  if (body === '0') return 0n;
  if (body === '') return invalid();
  const part = /([0-9]*)(\.[0-9]*)?([^0-9.]*)/y;
  let total = 0n;
  while (part.lastIndex < body.length) {
    const [, integer, fraction = '', unit] = part.exec(body)!;
    if (integer === '' && fraction.length < 2) return invalid();
    // Go reports a number out of range before it reports a missing unit.
    const count = BigInt(integer === '' ? '0' : integer);
    if (count > 1n << 63n) return invalid();
    if (unit === '') return `time: missing unit in duration ${quoteAscii(text)}`;
    const size = goUnits.get(unit);
    if (size === undefined) return `time: unknown unit ${quoteAscii(unit)} in duration ${quoteAscii(text)}`;
    total += count * size;
    const digits = fraction.slice(1, 19);
    if (digits !== '') total += (BigInt(digits) * size) / 10n ** BigInt(digits.length);
    if (total > 1n << 63n) return invalid();
  }
  if (isNegative) return -total;
  return total > int64Max ? invalid() : total;
}

/** Quotes as Go's package time does: all bytes but printable ASCII are escaped. */
function quoteAscii(text: string): string {
  let out = '"';
  for (const byte of Buffer.from(text, 'utf8')) {
    const char = String.fromCharCode(byte);
    if (char === '"' || char === '\\') out += `\\${char}`;
    else out += byte < 0x20 || byte >= 0x80 ? `\\x${byte.toString(16).padStart(2, '0')}` : char;
  }
  return `${out}"`;
}

/**
 * Go's time.ParseDuration: `1h2.5s`, `-3ms`, `0`.
 *
 * @returns nanoseconds, or undefined when the text is no duration (or exceeds 292 years)
 */
export function parseGoDuration(text: string): bigint | undefined {
  const duration = goDurationOrProblem(text);
  return typeof duration === 'string' ? undefined : duration;
}

/** Go's Duration.String: `1h0m0s`, `1.5s`, `2ms`, `0s`. */
export function formatGoDuration(durationNs: bigint): string {
  if (durationNs === 0n) return '0s';
  const sign = durationNs < 0n ? '-' : '';
  const value = durationNs < 0n ? -durationNs : durationNs;
  if (value < us) return `${sign}${value}ns`;
  if (value < ms) return `${sign}${decimal(value, us)}µs`;
  if (value < second) return `${sign}${decimal(value, ms)}ms`;
  const hours = value / hour;
  const minutes = (value % hour) / minute;
  const seconds = `${decimal(value % minute, second)}s`;
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}`;
  if (minutes > 0n) return `${sign}${minutes}m${seconds}`;
  return sign + seconds;
}

/** value / unit as a decimal without trailing zeros. */
function decimal(value: bigint, unit: bigint): string {
  const fraction = value % unit;
  if (fraction === 0n) return (value / unit).toString();
  const digits = unit.toString().length - 1;
  return `${value / unit}.${fraction.toString().padStart(digits, '0').replace(/0+$/, '')}`;
}

const prometheusDuration = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;
const prometheusUnits = [365n * day, 7n * day, day, hour, minute, second, ms];

/**
 * Prometheus' duration: integers with units y w d h m s ms, in that order, each at most once; `0` alone is
 * allowed.
 *
 * @returns nanoseconds, or undefined when the text is no such duration
 */
export function parsePrometheusDuration(text: string): bigint | undefined {
  if (text === '0') return 0n;
  const match = text === '' ? null : prometheusDuration.exec(text);
  if (!match) return undefined;
  let total = 0n;
  prometheusUnits.forEach((unit, i) => (total += BigInt(match[i + 1] ?? '0') * unit));
  return total > int64Max ? undefined : total;
}

/** Prometheus' Duration.String: `1h30m`, `30d1h`, `1w`; y and w only when they divide exactly. */
export function formatPrometheusDuration(durationNs: bigint): string {
  let remaining = durationNs / ms;
  if (remaining === 0n) return '0s';
  const sign = remaining < 0n ? '-' : '';
  if (remaining < 0n) remaining = -remaining;
  let out = sign;
  const take = (unitNs: bigint, name: string, exact: boolean) => {
    const unit = unitNs / ms;
    if (exact && remaining % unit !== 0n) return;
    if (remaining / unit > 0n) {
      out += `${remaining / unit}${name}`;
      remaining %= unit;
    }
  };
  take(365n * day, 'y', true);
  take(7n * day, 'w', true);
  take(day, 'd', false);
  take(hour, 'h', false);
  take(minute, 'm', false);
  take(second, 's', false);
  take(ms, 'ms', false);
  return out;
}

/** Parses either form, Prometheus' first, as LogQL and Loki's configuration do. */
export function parseDuration(text: string): bigint | undefined {
  return parsePrometheusDuration(text) ?? parseGoDuration(text);
}
