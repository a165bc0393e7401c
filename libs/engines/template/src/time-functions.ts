/** Time functions of templates, and the methods of Go's time types. */
import {
  civil,
  findZone,
  floorDiv,
  formatGoDuration,
  formatTime,
  goDurationOrProblem,
  parseTime,
  quoteGo,
  timeAt,
  utc,
  zeroTime,
} from '@loki/go';
import type { GoTime } from '@loki/go';
import { nsPerMs, nsPerSecond } from '@loki/model';
import { CallError } from './errors.ts';
import { fn } from './function-types.ts';
import type { TemplateFunction } from './function-types.ts';
import { GoInt, int, int64, isTime, typeName } from './values.ts';
import type { Value } from './values.ts';

export const timeFunctions: readonly (readonly [string, TemplateFunction])[] = [
  ['__timestamp__', fn([], (_args, context) => timeAt(context.timestampNs))],
  ['now', fn([], (_args, context) => timeAt(context.nowNs()))],
  ['date', fn(['string', 'any'], ([layout, value], context) => formatDate(layout as string, value, context.nowNs()))],
  ['toDate', fn(['string', 'string'], ([layout, text]) => parseTime(layout as string, text as string, utc) ?? zeroTime)],
  [
    'toDateInZone',
    fn(['string', 'string', 'string'], ([layout, zone, text]) => {
      return parseTime(layout as string, text as string, findZone(zone as string) ?? utc) ?? zeroTime;
    }),
  ],
  ['unixEpoch', fn(['time'], ([time]) => floorDiv(ns(time), nsPerSecond).toString())],
  ['unixEpochMillis', fn(['time'], ([time]) => floorDiv(ns(time), nsPerMs).toString())],
  ['unixEpochNanos', fn(['time'], ([time]) => BigInt.asIntN(64, ns(time)).toString())],
  ['unixToTime', fn(['string'], ([epoch]) => unixToTime(epoch as string))],
  ['duration', fn(['string'], ([text]) => seconds(text as string))],
  ['duration_seconds', fn(['string'], ([text]) => seconds(text as string))],
]; // prettier-ignore

function ns(value: Value): bigint {
  return (value as GoTime).unixNs;
}

/** Formats a time or Unix seconds; any other value means now. */
function formatDate(layout: string, value: Value, nowNs: bigint): string {
  if (isTime(value)) return formatTime(timeAt(value.unixNs), layout);
  const isSeconds = value instanceof GoInt && ['int', 'int32', 'int64'].includes(value.type);
  return formatTime(timeAt(isSeconds ? value.value * nsPerSecond : nowNs), layout);
}

function seconds(text: string): number {
  const duration = goDurationOrProblem(text);
  if (typeof duration === 'string') throw new CallError(duration);
  return Number(duration / nsPerSecond) + Number(duration % nsPerSecond) / 1e9;
}

/** Units of a Unix time by its number of digits: days, seconds, milli-, micro-, nanoseconds. */
const unitsByDigits = new Map([
  [5, 86_400n * nsPerSecond],
  [10, nsPerSecond],
  [13, nsPerMs],
  [16, 1000n],
  [19, 1n],
]);

function unixToTime(epoch: string): GoTime {
  if (!/^[+-]?[0-9]+$/.test(epoch)) {
    throw badEpoch(epoch, `strconv.ParseInt: parsing ${quoteGo(epoch)}: invalid syntax`);
  }
  const value = BigInt(epoch.replace(/^\+/, ''));
  if (BigInt.asIntN(64, value) !== value) {
    throw badEpoch(epoch, `strconv.ParseInt: parsing ${quoteGo(epoch)}: value out of range`);
  }
  const unit = unitsByDigits.get(epoch.length);
  if (unit === undefined) throw badEpoch(epoch, '%!w(<nil>)'); // Loki's words for a length it does not know
  return timeAt(value * unit);
}

function badEpoch(epoch: string, reason: string): CallError {
  return new CallError(`unable to parse time '${epoch}': ${reason}`);
}

/** Methods of Go's time types. The receiver is the first argument, which `params` does not list. */
export function findMethod(receiver: Value, name: string): TemplateFunction | undefined {
  if (isTime(receiver)) return timeMethods.get(name);
  if (!(receiver instanceof GoInt)) return undefined;
  if (receiver.type === 'time.Duration') return durationMethods.get(name);
  const isWord = receiver.type === 'time.Month' || receiver.type === 'time.Weekday';
  return isWord && name === 'String' ? wordMethod : undefined;
}

function timeMethod(get: (time: GoTime) => Value): TemplateFunction {
  return fn([], ([time]) => get(time as GoTime));
}

const wordMethod = fn([], ([word]) => formatWord(word as GoInt));

function formatWord(word: GoInt): string {
  const number = Number(word.value);
  const isMonth = word.type === 'time.Month';
  const day = isMonth ? new Date(Date.UTC(2000, number - 1)) : new Date(Date.UTC(2000, 0, 2 + number));
  return formatTime(timeAt(BigInt(day.getTime()) * nsPerMs), isMonth ? 'January' : 'Monday');
}

const timeMethods = new Map<string, TemplateFunction>([
  ['Unix', timeMethod((time) => int64(floorDiv(time.unixNs, nsPerSecond)))],
  ['UnixMilli', timeMethod((time) => int64(floorDiv(time.unixNs, nsPerMs)))],
  ['UnixMicro', timeMethod((time) => int64(floorDiv(time.unixNs, 1000n)))],
  ['UnixNano', timeMethod((time) => int64(time.unixNs))],
  ['Year', timeMethod((time) => int(civil(time).year))],
  ['Month', timeMethod((time) => new GoInt(BigInt(civil(time).month), 'time.Month'))],
  ['Day', timeMethod((time) => int(civil(time).day))],
  ['Hour', timeMethod((time) => int(civil(time).hour))],
  ['Minute', timeMethod((time) => int(civil(time).minute))],
  ['Second', timeMethod((time) => int(civil(time).second))],
  ['Nanosecond', timeMethod((time) => int(civil(time).nanosecond))],
  ['YearDay', timeMethod((time) => int(civil(time).yearDay))],
  ['Weekday', timeMethod((time) => new GoInt(BigInt(civil(time).weekday), 'time.Weekday'))],
  ['UTC', timeMethod((time) => timeAt(time.unixNs))],
  ['Local', timeMethod((time) => timeAt(time.unixNs))],
  ['IsZero', timeMethod((time) => time.unixNs === zeroTime.unixNs)],
  ['String', timeMethod((time) => formatTime(time, '2006-01-02 15:04:05.999999999 -0700 MST'))],
  ['Format', fn(['string'], ([time, layout]) => formatTime(time as GoTime, layout as string))],
  ['Equal', fn(['time'], ([time, other]) => ns(time) === ns(other))],
  ['Before', fn(['time'], ([time, other]) => ns(time) < ns(other))],
  ['After', fn(['time'], ([time, other]) => ns(time) > ns(other))],
  ['Sub', fn(['time'], ([time, other]) => new GoInt(ns(time) - ns(other), 'time.Duration'))],
  ['Add', fn(['any'], ([time, duration]) => timeAt(ns(time) + nanoseconds(duration), (time as GoTime).zone))],
  ['AddDate', fn(['int', 'int', 'int'], ([time, ...parts]) => addDate(time as GoTime, parts))],
]);

/** A duration in nanoseconds. Durations are differences of times; a plain number counts as nanoseconds. */
function nanoseconds(value: Value): bigint {
  if (value instanceof GoInt && (value.type === 'time.Duration' || value.type === 'int')) return value.value;
  throw new CallError(`wrong type for value; expected time.Duration; got ${typeName(value)}`);
}

function addDate(time: GoTime, parts: readonly Value[]): GoTime {
  const [years, months, days] = parts.map((part) => Number((part as GoInt).value));
  const fields = civil(time);
  const date = new Date(0);
  date.setUTCFullYear(fields.year + years, fields.month - 1 + months, fields.day + days);
  const old = new Date(0);
  old.setUTCFullYear(fields.year, fields.month - 1, fields.day);
  if (Number.isNaN(date.getTime())) throw new CallError('year out of range');
  return timeAt(time.unixNs + BigInt(date.getTime() - old.getTime()) * nsPerMs, time.zone);
}

const durationMethods = new Map<string, TemplateFunction>([
  ['Hours', fn([], ([duration]) => Number((duration as GoInt).value) / 3.6e12)],
  ['Minutes', fn([], ([duration]) => Number((duration as GoInt).value) / 6e10)],
  ['Seconds', fn([], ([duration]) => Number((duration as GoInt).value) / 1e9)],
  ['Milliseconds', fn([], ([duration]) => int64((duration as GoInt).value / nsPerMs))],
  ['Microseconds', fn([], ([duration]) => int64((duration as GoInt).value / 1000n))],
  ['Nanoseconds', fn([], ([duration]) => int64((duration as GoInt).value))],
  ['String', fn([], ([duration]) => formatGoDuration((duration as GoInt).value))],
]);
