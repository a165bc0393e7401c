/** Functions for the templates of alerts, as Prometheus has them: last step of an alert. */
import { formatFloat, parseFloatText, parsePrometheusDuration, queryEscape, timeAt } from '@loki/go';
import { nsPerMs } from '@loki/model';
import { CallError, fn, GoInt, toText, typeName } from '@loki/template';
import type { FunctionTable, TemplateFunction, Value } from '@loki/template';

/** Prometheus' functions that query a server: not available in this ruler's templates. */
const queryFunctions = ['query', 'first', 'label', 'value', 'strvalue', 'sortByLabel', 'tmpl'] as const;

/** Prometheus' functions for the templates of alerts; Go's own are in `@loki/template`. */
export const alertFunctions: FunctionTable = new Map<string, TemplateFunction>([
  ...queryFunctions.map((name): [string, TemplateFunction] => [
    name,
    fn([], () => refuse('queries in templates are not supported'), 'any'),
  ]),
  ['args', fn([], (args) => new Map(args.map((arg, i) => [`arg${i}`, arg])), 'any')],
  ['humanize', fn(['any'], ([value]) => humanize(toFloat(value)))],
  ['humanize1024', fn(['any'], ([value]) => humanize1024(toFloat(value)))],
  ['humanizeDuration', fn(['any'], ([value]) => humanizeDuration(toFloat(value)))],
  ['humanizePercentage', fn(['any'], ([value]) => `${short(toFloat(value) * 100)}%`)],
  ['humanizeTimestamp', fn(['any'], ([value]) => humanizeTimestamp(toFloat(value)))],
  ['toTime', fn(['any'], ([value]) => goTimeOf(toFloat(value)))],
  ['toDuration', fn(['any'], ([value]) => new GoInt(toNs(toFloat(value)), 'time.Duration'))],
  ['now', fn([], (_args, context) => Number(context.nowNs() / nsPerMs) / 1000)],
  ['parseDuration', fn(['string'], ([text]) => durationSeconds(text as string))],
  ['title', fn(['string'], ([text]) => title(text as string))],
  ['toUpper', fn(['string'], ([text]) => (text as string).toUpperCase())],
  ['toLower', fn(['string'], ([text]) => (text as string).toLowerCase())],
  ['match', fn(['string', 'string'], ([pattern, text], context) => context.regex(pattern as string).test(text as string))],
  ['reReplaceAll', fn(['string', 'string', 'string'], ([pattern, by, text], context) => context.regex(pattern as string).replaceAll(text as string, by as string))],
  ['safeHtml', fn(['string'], ([text]) => text)],
  ['graphLink', fn(['string'], ([expr]) => `/graph?g0.expr=${queryEscape(expr as string)}&g0.tab=0`)],
  ['tableLink', fn(['string'], ([expr]) => `/graph?g0.expr=${queryEscape(expr as string)}&g0.tab=1`)],
  ['urlQueryEscape', fn(['string'], ([text]) => queryEscape(text as string))],
  ['stripPort', fn(['string'], ([text]) => stripPort(text as string))],
  ['stripDomain', fn(['string'], ([text]) => stripDomain(text as string))],
  // A ruler has no pages.
  ['externalURL', fn([], () => '')],
  ['pathPrefix', fn([], () => '/')],
]); // prettier-ignore

function refuse(message: string): never {
  throw new CallError(message);
}

function toFloat(value: Value): number {
  if (typeof value === 'number') return value;
  if (value instanceof GoInt) {
    return value.type === 'time.Duration' ? Number(value.value) / 1e9 : Number(value.value);
  }
  if (typeof value === 'string') {
    return (
      parseFloatText(value) ?? refuse(`strconv.ParseFloat: parsing ${JSON.stringify(value)}: invalid syntax`)
    );
  }
  return refuse(`can't convert ${typeName(value)} to float`);
}

function toNs(seconds: number): bigint {
  const ns = Math.round(seconds * 1e9);
  if (!Number.isFinite(ns) || Math.abs(ns) >= 2 ** 63) {
    return refuse(
      `${formatFloat(seconds, 'g', -1)} cannot be represented as a nanoseconds timestamp since it overflows int64`,
    );
  }
  return BigInt(ns);
}

/** Formats with four significant digits. */
function short(value: number): string {
  return formatFloat(value, 'g', 4);
}

const smallPrefixes = ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y'];

function humanize(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return short(value);
  return Math.abs(value) >= 1
    ? scaledDown(value, 1000, ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'])
    : scaledUp(value);
}

function humanize1024(value: number): string {
  if (Math.abs(value) <= 1 || !Number.isFinite(value)) return short(value);
  return scaledDown(value, 1024, ['ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi']);
}

function scaledDown(value: number, by: number, prefixes: readonly string[]): string {
  let scaled = value;
  let used = 0;
  while (used < prefixes.length && Math.abs(scaled) >= by) {
    scaled /= by;
    used++;
  }
  return short(scaled) + (used === 0 ? '' : prefixes[used - 1]);
}

function scaledUp(value: number): string {
  let scaled = value;
  let used = 0;
  while (used < smallPrefixes.length && Math.abs(scaled) < 1) {
    scaled *= 1000;
    used++;
  }
  return short(scaled) + (used === 0 ? '' : smallPrefixes[used - 1]);
}

function humanizeDuration(value: number): string {
  if (!Number.isFinite(value)) return short(value);
  if (value === 0) return '0s';
  const sign = value < 0 ? '-' : '';
  const seconds = Math.abs(value);
  if (seconds < 1) return `${scaledUp(value)}s`;
  // Larger values exceed Go's integers, and Go then prints no duration.
  if (seconds >= 2 ** 63) return `${short(value)}s`;
  const whole = Math.trunc(seconds);
  const [days, hours, minutes, wholeSeconds] = [
    Math.trunc(whole / 86_400),
    Math.trunc(whole / 3600) % 24,
    Math.trunc(whole / 60) % 60,
    whole % 60,
  ];
  if (days !== 0) return `${sign}${days}d ${hours}h ${minutes}m ${wholeSeconds}s`;
  if (hours !== 0) return `${sign}${hours}h ${minutes}m ${wholeSeconds}s`;
  if (minutes !== 0) return `${sign}${minutes}m ${wholeSeconds}s`;
  return `${sign}${short(seconds)}s`;
}

/** A time with millisecond precision, as in Prometheus. */
function goTimeOf(seconds: number): Value {
  const ns = toNs(seconds);
  return timeAt(ns - (ns % nsPerMs));
}

function humanizeTimestamp(seconds: number): string {
  return Number.isFinite(seconds) ? toText(goTimeOf(seconds)) : short(seconds);
}

function durationSeconds(text: string): number {
  const ns = parsePrometheusDuration(text);
  return ns === undefined ? refuse(`not a valid duration string: ${JSON.stringify(text)}`) : Number(ns) / 1e9;
}

/** The first letter of each word in upper case. */
function title(text: string): string {
  return text.replace(/(?<![\p{L}\p{N}_'])\p{Ll}/gu, (letter) => letter.toUpperCase());
}

/** `host:port` or `[address]:port` without the port; other text unchanged. */
function stripPort(text: string): string {
  const bracketed = /^\[([^\]]*)\]:[^:]*$/.exec(text);
  if (bracketed) return bracketed[1];
  const parts = text.split(':');
  return parts.length === 2 ? parts[0] : text;
}

/** The first part of a host name, with the port; addresses unchanged. */
function stripDomain(text: string): string {
  const colon = /^[^:]*:[^:]*$/.test(text) ? text.indexOf(':') : -1;
  const host = colon < 0 ? stripPort(text) : text.slice(0, colon);
  if (host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host)) return text;
  return host.split('.')[0] + (colon < 0 ? '' : text.slice(colon));
}
