/** Parameters of query requests, with Loki's defaults and error texts: step *admit* of a query. */
import { parsePrometheusDuration, quoteGo } from '@loki/go';
import { LokiError, nsPerMs, nsPerSecond, parseForm } from '@loki/model';
import type { FormValues } from '@loki/model';
import type { HttpRequest } from '@loki/ports';

/**
 * Query parameters of a request: from the form body first, then from the URL, as in Go.
 */
export class Params {
  readonly #values: FormValues;

  private constructor(values: FormValues) {
    this.#values = values;
  }

  /** @throws LokiError badRequest when they cannot be read */
  static of(request: HttpRequest): Params {
    return new Params(parseForm(request));
  }

  /** The first value; '' if absent: Loki does not distinguish the two. */
  get(name: string): string {
    return this.#values.get(name) ?? '';
  }

  getAll(name: string): string[] {
    return this.#values.getAll(name);
  }

  /** The first `count` names, each with its first value. */
  first(count: number): Map<string, string> {
    const values = new Map<string, string>();
    for (const [name, value] of this.#values) {
      if (values.size >= count) break;
      if (!values.has(name)) values.set(name, value);
    }
    return values;
  }
}

const defaultSinceNs = 3600n * nsPerSecond;

/** Half-open in log queries, closed in metric queries. */
export interface TimeRange {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/**
 * `start`, `end` and `since`: end is now by default, start is min(end, now) - since.
 *
 * @throws LokiError badRequest with Loki's text
 */
export function parseTimeRange(params: Params, nowNs: bigint): TimeRange {
  const sinceText = params.get('since');
  let sinceNs = defaultSinceNs;
  if (sinceText !== '') {
    const parsed = parsePrometheusDuration(sinceText);
    if (parsed === undefined) {
      throw badRequest(
        `could not parse 'since' parameter: not a valid duration string: ${quoted(sinceText)}`,
      );
    }
    sinceNs = parsed;
  }
  const endNs = namedTime(params, 'end', nowNs);
  const latest = endNs < nowNs ? endNs : nowNs;
  const startNs = namedTime(params, 'start', latest - sinceNs);
  return { startNs, endNs };
}

function namedTime(params: Params, name: string, fallback: bigint): bigint {
  const text = params.get(name);
  if (text === '') return fallback;
  try {
    return parseTime(text);
  } catch (error) {
    throw badRequest(`could not parse '${name}' parameter: ${(error as Error).message}`);
  }
}

/**
 * Parses a time of Loki's API: up to 10 digits are Unix seconds, more are nanoseconds; with a point, float
 * seconds of millisecond precision; otherwise RFC 3339.
 *
 * @throws LokiError badRequest `strconv.ParseInt: parsing "x": invalid syntax`
 */
export function parseTime(text: string): bigint {
  if (text.includes('.') && floatText.test(text)) return floatSeconds(text);
  if (/^[+-]?\d+$/.test(text)) {
    const value = int64Of(text);
    if (value === undefined) {
      throw badRequest(`strconv.ParseInt: parsing ${quoted(text)}: value out of range`);
    }
    return text.length <= 10 ? value * nsPerSecond : value;
  }
  const rfc = parseRfc3339(text);
  if (rfc !== undefined) return rfc;
  throw badRequest(`strconv.ParseInt: parsing ${quoted(text)}: invalid syntax`);
}

/**
 * The value of decimal digits; undefined if it exceeds int64. BigInt's time grows with the square of the
 * digits: 10 MB of digits took 4 s.
 */
function int64Of(text: string): bigint | undefined {
  const [, sign, digits] = /^([+-]?)0*(\d*)$/.exec(text)!;
  if (digits.length > 19) return undefined;
  const value = BigInt(sign + (digits || '0'));
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** A value for an error text, cut if long. */
function quoted(text: string): string {
  return quoteGo(text.length > quotedCharsMax ? `${text.slice(0, quotedCharsMax)}...` : text);
}

const quotedCharsMax = 1024;

/** Numbers that Go's strconv.ParseFloat accepts, except hexadecimal ones. */
const floatText = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/**
 * Millisecond precision, rounded half away from zero, computed in decimal digits: doubles would change the
 * last ones.
 */
function floatSeconds(text: string): bigint {
  if (/e/i.test(text)) return exponentSeconds(text);
  const negative = text.startsWith('-');
  const [whole, fraction = ''] = text.replace(/^[+-]/, '').split('.');
  const padded = fraction.padEnd(4, '0');
  const roundUp = padded.charCodeAt(3) >= 0x35 ? 1n : 0n;
  const seconds = int64Of(whole);
  if (seconds === undefined) return negative ? -farNs : farNs;
  const ms = seconds * 1000n + BigInt(padded.slice(0, 3)) + roundUp;
  return (negative ? -ms : ms) * nsPerMs;
}

/** Times with an exponent, a rare form; a value beyond int64 nanoseconds becomes the largest one. */
function exponentSeconds(text: string): bigint {
  const ms = Math.round(Number(text) * 1000);
  const ns = Number.isFinite(ms) ? BigInt(ms) * nsPerMs : farNs;
  return BigInt.asIntN(64, ns) === ns ? ns : farNs;
}

const farNs = (1n << 63n) - 1n;

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** RFC 3339 with up to nanoseconds; undefined for other text and for dates that do not exist. */
export function parseRfc3339(text: string): bigint | undefined {
  const match = rfc3339.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', sign, zoneHours, zoneMinutes] = match;
  const ms = Date.UTC(+year, +month - 1, +day, +hour, +minute, +second);
  const date = new Date(ms);
  if (
    date.getUTCDate() !== +day ||
    date.getUTCMonth() !== +month - 1 ||
    +hour > 23 ||
    +minute > 59 ||
    +second > 59
  ) {
    return undefined;
  }
  let ns = BigInt(ms) * nsPerMs + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign !== undefined) {
    const zoneNs = (BigInt(zoneHours) * 60n + BigInt(zoneMinutes)) * 60n * nsPerSecond;
    ns += sign === '+' ? -zoneNs : zoneNs;
  }
  return ns;
}

/** A limit by its parameter's name: digits only, at least 1. */
export function parseLimit(params: Params, fallback = 100, name = 'limit'): number {
  if (/^-0*[1-9]\d{0,17}$/.test(params.get(name))) throw notPositive();
  const limit = parseUint32(params, name, fallback);
  if (limit <= 0) throw notPositive();
  return limit;
}

function notPositive(): LokiError {
  return badRequest('limit must be a positive value');
}

/** A number 0 .. 2^32-1 in Go's words when it is not. Negative numbers are out of range too. */
export function parseUint32(params: Params, name: string, fallback: number): number {
  const text = params.get(name);
  if (text === '') return fallback;
  if (!/^[+-]?\d+$/.test(text)) throw badRequest(`strconv.Atoi: parsing ${quoted(text)}: invalid syntax`);
  const value = int64Of(text);
  if (value === undefined) {
    throw badRequest(`strconv.Atoi: parsing ${quoted(text)}: value out of range`);
  }
  if (value < 0n || value > 4_294_967_295n) {
    if (name === 'limit' && value < 0n) throw badRequest('limit must be a positive value');
    throw badRequest(`${name} value ${value} is out of range [0, 4294967295]`);
  }
  return Number(value);
}

export function parseDirection(params: Params): 'forward' | 'backward' {
  const text = params.get('direction');
  if (text === '') return 'backward';
  const lower = text.toLowerCase();
  if (lower !== 'forward' && lower !== 'backward') throw badRequest(`invalid direction '${text}'`);
  return lower;
}

/** Float seconds or a Prometheus duration, in nanoseconds; undefined when the parameter is absent. */
export function parseSecondsOrDuration(params: Params, name: string): bigint | undefined {
  const text = params.get(name);
  if (text === '') return undefined;
  const seconds = parseGoFloat(text);
  if (seconds !== undefined) {
    const ns = seconds * 1e9;
    // Go converts NaN to the smallest duration.
    if (Number.isNaN(ns)) return -farNs - 1n;
    if (Math.abs(ns) < 2 ** 63) return BigInt(Math.trunc(ns));
    throw badRequest(`cannot parse ${quoted(text)} to a valid duration. It overflows int64`);
  }
  const duration = parsePrometheusDuration(text);
  if (duration === undefined) throw badRequest(`cannot parse ${quoted(text)} to a valid duration`);
  return duration;
}

/** Go's strconv.ParseFloat without hexadecimal numbers; undefined for other text. */
function parseGoFloat(text: string): number | undefined {
  if (floatText.test(text)) return Number(text);
  if (/^[+-]?nan$/i.test(text)) return text.length === 3 ? Number.NaN : undefined;
  if (!/^[+-]?inf(?:inity)?$/i.test(text)) return undefined;
  return text.startsWith('-') ? -Infinity : Infinity;
}

/** Most points one series of a range query may have. */
const pointsMax = 11_000;

/** `step`: by default a 250th of the range in whole seconds, at least 1 s. Checked against `pointsMax`. */
export function parseStep(params: Params, range: TimeRange): bigint {
  const requestedNs = parseSecondsOrDuration(params, 'step');
  if (requestedNs !== undefined && requestedNs <= 0n) {
    throw badRequest(
      'zero or negative query resolution step widths are not accepted. Try a positive integer',
    );
  }
  const wholeSeconds = (range.endNs - range.startNs) / nsPerSecond / 250n;
  const stepNs = requestedNs ?? (wholeSeconds > 0n ? wholeSeconds : 1n) * nsPerSecond;
  if ((range.endNs - range.startNs) / stepNs > BigInt(pointsMax)) {
    throw badRequest(
      'exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter',
    );
  }
  return stepNs;
}

/** `interval` of log queries: at least this much time between two entries of the answer. 0: all entries. */
export function parseInterval(params: Params): bigint {
  const interval = parseSecondsOrDuration(params, 'interval') ?? 0n;
  if (interval < 0n) throw badRequest('interval must be >= 0');
  return interval;
}

export function badRequest(text: string): LokiError {
  return new LokiError('badRequest', text);
}

/** True for `Cache-Control: no-cache`: the client refuses cached results. */
export function isUncached(request: HttpRequest): boolean {
  return /\bno-cache\b/i.test(request.headers.get('cache-control') ?? '');
}
