/** Times in zones and their text by Go's layouts: templates show times with it. */
import { ms as nsPerMs, second as nsPerSecond } from './duration.ts';
import { parseLayout } from './layout.ts';
import type { StdChunk } from './layout.ts';
import { utc } from './zones.ts';
import type { Zone } from './zones.ts';

/** An instant with the zone in which it is shown. */
export interface GoTime {
  readonly unixNs: bigint;
  readonly zone: Zone;
}

/** English names of the months, January first. */
export const monthNames = [
  'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December',
]; // prettier-ignore
/** English names of the days, Sunday first. */
export const weekdayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/**
 * A moment in a zone.
 *
 * @param unixNs nanoseconds since 1970
 * @param zone   default: UTC
 */
export function timeAt(unixNs: bigint, zone: Zone = utc): GoTime {
  return { unixNs, zone };
}

/** Go's zero time: year 1. */
export const zeroTime: GoTime = { unixNs: -62_135_596_800n * nsPerSecond, zone: utc };

/** The fields that a clock and a calendar in the time's zone show. */
interface Civil {
  readonly year: number;
  /** 1..12 */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly nanosecond: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** 1..366 */
  readonly yearDay: number;
  readonly offsetSeconds: number;
  readonly abbreviation: string;
}

/**
 * Calendar and clock fields of the time in its zone. Years are those of the Gregorian calendar and may be 0
 * or negative.
 */
export function civil(time: GoTime): Civil {
  const ms = Number(floorDiv(time.unixNs, nsPerMs));
  const { offsetSeconds, abbreviation } = time.zone.at(ms);
  const date = new Date(ms + offsetSeconds * 1000);
  const year = date.getUTCFullYear();
  const newYear = new Date(0);
  newYear.setUTCFullYear(year, 0, 1);
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    nanosecond: Number(time.unixNs - floorDiv(time.unixNs, nsPerSecond) * nsPerSecond),
    weekday: date.getUTCDay(),
    yearDay: Math.floor((date.getTime() - newYear.getTime()) / 86_400_000) + 1,
    offsetSeconds,
    abbreviation,
  };
}

/**
 * The instant at which a clock in `zone` shows the given wall time (ms as if it were UTC, and ns within the
 * second).
 */
export function fromWall(wallMs: number, nanosecond: number, zone: Zone): GoTime {
  let { offsetSeconds } = zone.at(wallMs);
  // Near a change of the offset the right offset may be the one before or after the change.
  if (offsetSeconds !== 0) offsetSeconds = zone.at(wallMs - offsetSeconds * 1000).offsetSeconds;
  const seconds = BigInt(Math.floor(wallMs / 1000) - offsetSeconds);
  return { unixNs: seconds * nsPerSecond + BigInt(nanosecond), zone };
}

/** Division that rounds towards minus infinity, where BigInt's own rounds towards zero. */
export function floorDiv(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by !== 0n && value < 0n !== by < 0n ? quotient - 1n : quotient;
}

/** Go's Time.Format. */
export function formatTime(time: GoTime, layout: string): string {
  const fields = civil(time);
  let out = '';
  for (const part of parseLayout(layout)) {
    if (part.kind === 'text') out += part.text;
    else if (part.kind === 'std') out += formatStd(part.std, fields);
    else {
      const digits = String(fields.nanosecond)
        .padStart(9, '0')
        .slice(0, part.digits)
        .padEnd(part.digits, '0');
      const fraction = part.trims ? digits.replace(/0+$/, '') : digits;
      if (fraction !== '') out += part.mark + fraction;
    }
  }
  return out;
}

function formatStd(std: StdChunk, fields: Civil): string {
  switch (std) {
    case '2006':
      return `${fields.year < 0 ? '-' : ''}${padded(Math.abs(fields.year), 4)}`;
    case '06':
      return padded(((fields.year % 100) + 100) % 100, 2);
    case 'January':
      return monthNames[fields.month - 1];
    case 'Jan':
      return monthNames[fields.month - 1].slice(0, 3);
    case '01':
      return padded(fields.month, 2);
    case '1':
      return String(fields.month);
    case 'Monday':
      return weekdayNames[fields.weekday];
    case 'Mon':
      return weekdayNames[fields.weekday].slice(0, 3);
    case '02':
      return padded(fields.day, 2);
    case '2':
      return String(fields.day);
    case '_2':
      return String(fields.day).padStart(2, ' ');
    case '002':
      return padded(fields.yearDay, 3);
    case '__2':
      return String(fields.yearDay).padStart(3, ' ');
    case '15':
      return padded(fields.hour, 2);
    case '03':
      return padded(fields.hour % 12 || 12, 2);
    case '3':
      return String(fields.hour % 12 || 12);
    case '04':
      return padded(fields.minute, 2);
    case '4':
      return String(fields.minute);
    case '05':
      return padded(fields.second, 2);
    case '5':
      return String(fields.second);
    case 'PM':
      return fields.hour >= 12 ? 'PM' : 'AM';
    case 'pm':
      return fields.hour >= 12 ? 'pm' : 'am';
    case 'MST':
      return fields.abbreviation;
    default:
      return formatOffset(std, fields.offsetSeconds);
  }
}

/** -07, -0700, -07:00, with seconds, and the forms with Z for zero. */
function formatOffset(std: StdChunk, offsetSeconds: number): string {
  if (std.startsWith('Z') && offsetSeconds === 0) return 'Z';
  const total = Math.abs(offsetSeconds);
  const parts = [
    padded(Math.floor(total / 3600), 2),
    padded(Math.floor(total / 60) % 60, 2),
    padded(total % 60, 2),
  ];
  const count = Math.floor((std.replaceAll(':', '').length - 1) / 2);
  return (offsetSeconds < 0 ? '-' : '+') + parts.slice(0, count).join(std.includes(':') ? ':' : '');
}

function padded(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
