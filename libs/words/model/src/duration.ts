const ns = 1n;
const us = 1000n;
const ms = 1_000_000n;
const second = 1_000_000_000n;
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

/**
 * Go's time.ParseDuration: `1h2.5s`, `-3ms`, `0`.
 *
 * @returns nanoseconds, or undefined when the text is no duration (or exceeds 292 years)
 */
export function parseGoDuration(text: string): bigint | undefined {
  const match = /^([+-]?)(.+)$/.exec(text);
  if (!match) return undefined;
  const [, sign, rest] = match;
  if (rest === '0') return 0n;
  const part = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/y;
  let total = 0n;
  while (part.lastIndex < rest.length) {
    const found = part.exec(rest);
    if (!found || (found[1] === '' && (found[2] ?? '') === '')) return undefined;
    const unit = goUnits.get(found[3])!;
    total += BigInt(found[1] || '0') * unit;
    const fraction = (found[2] ?? '').slice(0, 18);
    if (fraction !== '') total += (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length);
    if (total > int64Max) return undefined;
  }
  return sign === '-' ? -total : total;
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
  let rest = durationNs / ms;
  if (rest === 0n) return '0s';
  const sign = rest < 0n ? '-' : '';
  if (rest < 0n) rest = -rest;
  let out = sign;
  const take = (unitNs: bigint, name: string, exact: boolean) => {
    const unit = unitNs / ms;
    if (exact && rest % unit !== 0n) return;
    if (rest / unit > 0n) {
      out += `${rest / unit}${name}`;
      rest %= unit;
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

/** Either form, Prometheus' first, as LogQL and Loki's configuration read durations. */
export function parseDuration(text: string): bigint | undefined {
  return parsePrometheusDuration(text) ?? parseGoDuration(text);
}
