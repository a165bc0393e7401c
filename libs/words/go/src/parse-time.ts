/** Go's time.Parse: templates read times with it. */
import { parseLayout } from './layout.ts';
import type { LayoutPart, StdChunk } from './layout.ts';
import { fromWall, monthNames, timeAt, weekdayNames } from './time.ts';
import type { GoTime } from './time.ts';
import { fixedZone, utc } from './zones.ts';
import type { Zone } from './zones.ts';

/** The fields that the text has set so far. */
interface Fields {
  year: number;
  month: number | undefined;
  day: number | undefined;
  yearDay: number | undefined;
  hour: number;
  minute: number;
  second: number;
  nanosecond: number;
  half: 'am' | 'pm' | undefined;
  isUtc: boolean;
  offsetSeconds: number | undefined;
  zoneName: string;
}

/**
 * Go's time.ParseInLocation.
 *
 * @returns undefined when the text does not fit the layout, or a field is out of range
 */
export function parseTime(layout: string, text: string, zone: Zone): GoTime | undefined {
  const fields: Fields = {
    year: 0,
    month: undefined,
    day: undefined,
    yearDay: undefined,
    hour: 0,
    minute: 0,
    second: 0,
    nanosecond: 0,
    half: undefined,
    isUtc: false,
    offsetSeconds: undefined,
    zoneName: '',
  };
  const parts = parseLayout(layout);
  let remaining: string | undefined = text;
  for (let i = 0; i < parts.length && remaining !== undefined; i++) {
    remaining = readPart(parts[i], remaining, fields, parts[i + 1]);
  }
  return remaining === '' ? assemble(fields, zone) : undefined;
}

/** Reads one part; returns the text after the part, or undefined when the text does not fit. */
function readPart(
  part: LayoutPart,
  text: string,
  fields: Fields,
  next: LayoutPart | undefined,
): string | undefined {
  if (part.kind === 'text') return skipText(text, part.text);
  if (part.kind === 'std') return readStd(part.std, text, fields, next);
  if (part.trims) {
    const match = /^[.,][0-9]+/.exec(text);
    return match ? readFraction(match[0], text, fields) : text;
  }
  const digits = text.slice(0, part.digits + 1);
  return digits.length === part.digits + 1 && /^[.,][0-9]+$/.test(digits)
    ? readFraction(digits, text, fields)
    : undefined;
}

function readFraction(digits: string, text: string, fields: Fields): string {
  fields.nanosecond = Number(digits.slice(1, 10).padEnd(9, '0'));
  return text.slice(digits.length);
}

/** A run of spaces in the layout matches any run of spaces. */
function skipText(text: string, expected: string): string | undefined {
  let at = 0;
  for (let i = 0; i < expected.length;) {
    if (expected[i] !== ' ') {
      if (text[at] !== expected[i]) return undefined;
      at++;
      i++;
      continue;
    }
    if (at < text.length && text[at] !== ' ') return undefined;
    while (expected[i] === ' ') i++;
    while (text[at] === ' ') at++;
  }
  return text.slice(at);
}

function readStd(
  std: StdChunk,
  text: string,
  fields: Fields,
  next: LayoutPart | undefined,
): string | undefined {
  switch (std) {
    case '2006':
      return number(text, /^[0-9]{4}/, (value) => ((fields.year = value), true));
    case '06':
      return number(
        text,
        /^[0-9]{2}/,
        (value) => ((fields.year = value + (value >= 69 ? 1900 : 2000)), true),
      );
    case 'January':
      return name(text, monthNames, 0, (index) => (fields.month = index + 1));
    case 'Jan':
      return name(text, monthNames, 3, (index) => (fields.month = index + 1));
    case '01':
    case '1':
      return number(text, digits(std), (value) => ((fields.month = value), value >= 1 && value <= 12));
    case 'Monday':
      return name(text, weekdayNames, 0, () => undefined);
    case 'Mon':
      return name(text, weekdayNames, 3, () => undefined);
    case '02':
    case '2':
      return number(text, digits(std), (value) => ((fields.day = value), true));
    case '_2':
      return number(text.replace(/^ /, ''), digits('2'), (value) => ((fields.day = value), true));
    case '002':
      return number(text, /^[0-9]{3}/, (value) => ((fields.yearDay = value), true));
    case '__2':
      return number(text.replace(/^ {1,2}/, ''), /^[0-9]{1,3}/, (value) => ((fields.yearDay = value), true));
    case '15':
      return number(text, digits('1'), (value) => ((fields.hour = value), value < 24));
    case '03':
    case '3':
      return number(text, digits(std), (value) => ((fields.hour = value), value <= 12));
    case '04':
    case '4':
      return number(text, digits(std), (value) => ((fields.minute = value), value < 60));
    case '05':
    case '5': {
      const remaining = number(text, digits(std), (value) => ((fields.second = value), value < 60));
      // The text may have a fraction where the layout has none.
      const fraction = next?.kind === 'fraction' ? null : /^[.,][0-9]+/.exec(remaining ?? '');
      return fraction ? readFraction(fraction[0], remaining!, fields) : remaining;
    }
    case 'PM':
    case 'pm': {
      const half = text.slice(0, 2);
      if (half.toLowerCase() !== 'am' && half.toLowerCase() !== 'pm') return undefined;
      if ((std === 'PM') !== (half === half.toUpperCase())) return undefined;
      fields.half = half.toLowerCase() as 'am' | 'pm';
      return text.slice(2);
    }
    case 'MST':
      return readZoneName(text, fields);
    default:
      return readOffset(std, text, fields);
  }
}

/** One or two digits; two where the layout has a zero. */
function digits(std: string): RegExp {
  return std.startsWith('0') ? /^[0-9]{2}/ : /^[0-9]{1,2}/;
}

function number(text: string, pattern: RegExp, take: (value: number) => boolean): string | undefined {
  const match = pattern.exec(text);
  return match && take(Number(match[0])) ? text.slice(match[0].length) : undefined;
}

/** A name from a list in any case; `chars` 0: the whole name. */
function name(
  text: string,
  names: readonly string[],
  chars: number,
  take: (index: number) => void,
): string | undefined {
  for (let i = 0; i < names.length; i++) {
    const label = chars === 0 ? names[i] : names[i].slice(0, chars);
    if (text.slice(0, label.length).toLowerCase() !== label.toLowerCase()) continue;
    take(i);
    return text.slice(label.length);
  }
  return undefined;
}

function readOffset(std: StdChunk, text: string, fields: Fields): string | undefined {
  if (std.startsWith('Z') && text.startsWith('Z')) {
    fields.isUtc = true;
    return text.slice(1);
  }
  const colon = std.includes(':') ? ':' : '';
  const pairs = Math.floor((std.replaceAll(':', '').length - 1) / 2);
  const match = new RegExp(`^([+-])${Array(pairs).fill('([0-9]{2})').join(colon)}`).exec(text);
  if (!match) return undefined;
  const [hours, minutes, seconds] = [match[2], match[3], match[4]].map((pair) => Number(pair ?? 0));
  if (hours > 24 || minutes > 60 || seconds > 60) return undefined;
  const offset = (hours * 60 + minutes) * 60 + seconds;
  fields.offsetSeconds = match[1] === '-' ? -offset : offset;
  return text.slice(match[0].length);
}

/** Reads a zone name as Go accepts it: UTC, GMT-3, CEST, ChST, +03. */
function readZoneName(text: string, fields: Fields): string | undefined {
  if (text.startsWith('UTC')) {
    fields.isUtc = true;
    return text.slice(3);
  }
  const match =
    /^(?:ChST|MeST|GMT[+-][0-9]{1,2}|[+-][0-9]{2}(?:[0-9]{2})?|[A-Z]{5}|[A-Z]{4}|[A-Z]{3})(?![A-Z])/.exec(
      text,
    );
  if (!match) return undefined;
  const [zoneName] = match;
  if (zoneName.length === 5 && !zoneName.endsWith('T') && /^[A-Z]+$/.test(zoneName)) return undefined;
  if (zoneName.length === 4 && /^[A-Z]+$/.test(zoneName) && !zoneName.endsWith('T') && zoneName !== 'WITA') {
    return undefined;
  }
  fields.zoneName = zoneName;
  return text.slice(zoneName.length);
}

function assemble(fields: Fields, zone: Zone): GoTime | undefined {
  let { hour, month, day } = fields;
  if (fields.half === 'pm' && hour < 12) hour += 12;
  else if (fields.half === 'am' && hour === 12) hour = 0;
  const date = new Date(0);
  if (fields.yearDay !== undefined) {
    date.setUTCFullYear(fields.year, 0, fields.yearDay);
    if (fields.yearDay < 1 || date.getUTCFullYear() !== fields.year) return undefined;
    if (month !== undefined && month !== date.getUTCMonth() + 1) return undefined;
    if (day !== undefined && day !== date.getUTCDate()) return undefined;
    month = date.getUTCMonth() + 1;
    day = date.getUTCDate();
  }
  month ??= 1;
  day ??= 1;
  date.setUTCFullYear(fields.year, month - 1, day);
  if (day < 1 || date.getUTCDate() !== day) return undefined;
  date.setUTCHours(hour, fields.minute, fields.second);
  const wallMs = date.getTime();
  if (fields.isUtc) return fromWall(wallMs, fields.nanosecond, utc);
  if (fields.offsetSeconds !== undefined) {
    const { unixNs } = fromWall(wallMs, fields.nanosecond, fixedZone(fields.offsetSeconds, ''));
    const local = zone.at(Number(unixNs / 1_000_000n));
    const isLocal =
      local.offsetSeconds === fields.offsetSeconds &&
      (fields.zoneName === '' || fields.zoneName === local.abbreviation);
    return timeAt(unixNs, isLocal ? zone : fixedZone(fields.offsetSeconds, fields.zoneName));
  }
  if (fields.zoneName !== '') return inNamedZone(fields.zoneName, wallMs, fields.nanosecond, zone);
  return fromWall(wallMs, fields.nanosecond, zone);
}

/**
 * A time with a zone name alone: in `zone` if that uses the name at this instant, else in a zone of that name
 * without an offset.
 */
function inNamedZone(zoneName: string, wallMs: number, nanosecond: number, zone: Zone): GoTime {
  const inZone = fromWall(wallMs, nanosecond, zone);
  if (zone.at(Number(inZone.unixNs / 1_000_000n)).abbreviation === zoneName) return inZone;
  const hours = zoneName.startsWith('GMT') ? Number(zoneName.slice(3) || 0) : 0;
  // Go shifts the displayed time, not the instant.
  return timeAt(fromWall(wallMs, nanosecond, utc).unixNs, fixedZone(hours * 3600, zoneName));
}
