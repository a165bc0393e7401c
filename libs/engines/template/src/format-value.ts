/** One value by one verb of Go's package fmt: `%v`, `%s`, `%q`, `%d` and the others. */
import {
  binaryFloat,
  formatFloat,
  formatGoDuration,
  formatTime,
  hexFloat,
  monthNames,
  quoteGo,
  quoteRune,
  quoteToAscii,
  weekdayNames,
} from '@loki/go';
import { formatInteger, pad, padNumber, unicodeForm } from './format-number.ts';
import type { Spec } from './format-number.ts';
import { GoInt, isList, isTime, sortedEntries, typeName } from './values.ts';
import type { Value } from './values.ts';

/** The text for a verb that does not fit the value; the value is shown as %v, with the width. */
function bad(value: Value, verb: string, spec: Spec): string {
  return `%!${verb}(${typeName(value)}=${formatValue(value, 'v', { ...spec, sharp: false }, 0)})`;
}

const bases: Record<string, number> = { b: 2, o: 8, O: 8, d: 10, x: 16, X: 16 };

function formatInt(arg: GoInt, verb: string, spec: Spec): string {
  if (arg.type.startsWith('time.') && 'vsq'.includes(verb)) return formatString(intText(arg), verb, spec);
  const isByteSyntax = verb === 'v' && spec.sharp && arg.type === 'uint8';
  if (verb === 'v' && spec.sharp && !isByteSyntax) {
    return formatInteger(arg.value, 10, 'd', { ...spec, sharp: false });
  }
  if (isByteSyntax) return formatInteger(arg.value, 16, 'x', spec);
  const base = verb === 'v' ? 10 : bases[verb];
  if (base !== undefined) return formatInteger(arg.value, base, verb, spec);
  const rune = arg.value >= 0n && arg.value <= 0x10_ffffn ? Number(arg.value) : 0xfffd;
  if (verb === 'c') return pad(String.fromCodePoint(rune), spec);
  if (verb === 'q') return pad(quoteRune(String.fromCodePoint(rune), spec.plus), spec);
  if (verb === 'U') return pad(unicodeForm(arg.value, spec), spec);
  return bad(arg, verb, spec);
}

function formatNumber(value: number, verb: string, spec: Spec): string {
  switch (verb) {
    case 'x':
    case 'X':
      return padNumber(verb === 'x' ? hexFloat(value) : hexFloat(value).toUpperCase(), value, spec);
    case 'b':
      return padNumber(binaryFloat(value), value, spec);
    case 'v':
    case 'g':
      return padNumber(formatFloat(value, 'g', spec.precision ?? -1), value, spec);
    case 'G':
      return padNumber(formatFloat(value, 'g', spec.precision ?? -1).replace('e', 'E'), value, spec);
    case 'e':
      return padNumber(formatFloat(value, 'e', spec.precision ?? 6), value, spec);
    case 'E':
      return padNumber(formatFloat(value, 'e', spec.precision ?? 6).replace('e', 'E'), value, spec);
    case 'f':
    case 'F':
      return padNumber(formatFloat(value, 'f', spec.precision ?? 6), value, spec);
    default:
      return bad(value, verb, spec);
  }
}

function intText(value: GoInt): string {
  if (value.type === 'time.Duration') return formatGoDuration(value.value);
  if (value.type === 'time.Month') return monthNames[Number(value.value) - 1] ?? `%!Month(${value.value})`;
  if (value.type === 'time.Weekday') return weekdayNames[Number(value.value)] ?? `%!Weekday(${value.value})`;
  return value.value.toString();
}

export function formatArg(arg: Value, verb: string, spec: Spec): string {
  if (verb === 'T') return formatString(typeName(arg), 's', spec);
  if (arg === null) return verb === 'v' ? pad('<nil>', spec) : `%!${verb}(<nil>)`;
  // In %+v and %#v the flags select field names and Go's syntax, not signs and prefixes.
  if (verb === 'v' && spec.plus) return formatValue(arg, verb, { ...spec, plus: false }, 0);
  return formatValue(arg, verb, spec, 0);
}

function formatValue(value: Value, verb: string, spec: Spec, depth: number): string {
  if (value === null) return pad('<nil>', spec);
  if (typeof value === 'string') return formatString(value, verb, spec);
  if (typeof value === 'boolean') {
    return verb === 't' || verb === 'v' ? pad(value ? 'true' : 'false', spec) : bad(value, verb, spec);
  }
  if (typeof value === 'number') return formatNumber(value, verb, spec);
  if (value instanceof GoInt) return formatInt(value, verb, spec);
  // A time has a String method, which the verbs for strings use.
  if (isTime(value)) {
    return 'vsxXq'.includes(verb) ? formatString(toText(value), verb, spec) : bad(value, verb, spec);
  }
  if (isList(value)) return `[${value.map((item) => formatValue(item, verb, spec, depth + 1)).join(' ')}]`;
  return `map[${sortedEntries(value)
    .map(
      ([key, item]) =>
        `${formatValue(key, verb, spec, depth + 1)}:${formatValue(item, verb, spec, depth + 1)}`,
    )
    .join(' ')}]`;
}

function formatString(text: string, verb: string, spec: Spec): string {
  const cut = spec.precision === undefined ? text : Array.from(text).slice(0, spec.precision).join('');
  switch (verb) {
    case 'v':
      return spec.sharp ? pad(quoteGo(text), spec) : pad(cut, spec);
    case 's':
      return pad(cut, spec);
    case 'q':
      if (spec.sharp && isBackquotable(cut)) return pad(`\`${cut}\``, spec);
      return pad(spec.plus ? quoteToAscii(cut) : quoteGo(cut), spec);
    case 'x':
    case 'X': {
      const bytes = Buffer.from(text, 'utf8').subarray(0, spec.precision);
      const digits = verb === 'x' ? bytes.toString('hex') : bytes.toString('hex').toUpperCase();
      const prefix = spec.sharp ? `0${verb}` : '';
      if (spec.space) return pad((digits.match(/../g) ?? []).map((pair) => prefix + pair).join(' '), spec);
      return pad(digits === '' ? '' : prefix + digits, spec);
    }
    default:
      return bad(text, verb, spec);
  }
}

function isBackquotable(text: string): boolean {
  return !/[`\p{Cc}\ufeff]/u.test(text.replaceAll('\t', ''));
}

/** The text of a value as a template prints it: Go's `%v`. nil is `<nil>`. */
export function toText(value: Value): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      return formatFloat(value, 'g', -1);
    case 'boolean':
      return value ? 'true' : 'false';
    default:
  }
  if (value === null) return '<nil>';
  if (value instanceof GoInt) return intText(value);
  if (isTime(value)) return formatTime(value, '2006-01-02 15:04:05.999999999 -0700 MST');
  if (isList(value)) return `[${value.map(toText).join(' ')}]`;
  return `map[${sortedEntries(value)
    .map(([key, item]) => `${key}:${toText(item)}`)
    .join(' ')}]`;
}

/** fmt.Sprint: a space between two operands when neither is a string. */
export function sprint(args: readonly Value[]): string {
  let out = '';
  args.forEach((arg, i) => {
    if (i > 0 && typeof arg !== 'string' && typeof args[i - 1] !== 'string') out += ' ';
    out += toText(arg);
  });
  return out;
}

/** fmt.Sprintln. */
export function sprintln(args: readonly Value[]): string {
  return `${args.map(toText).join(' ')}\n`;
}
