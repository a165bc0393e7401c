/** Go's package fmt for templates: `%v` and the other verbs of printf. */
import {
  binaryFloat,
  formatFloat,
  formatGoDuration,
  formatTime,
  hexFloat,
  isPrint,
  monthNames,
  quoteGo,
  quoteRune,
  quoteToAscii,
  weekdayNames,
} from '@loki/go';
import { GoInt, isList, isTime, sortedEntries, typeName } from './values.ts';
import type { Value } from './values.ts';

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

function intText(value: GoInt): string {
  if (value.type === 'time.Duration') return formatGoDuration(value.value);
  if (value.type === 'time.Month') return monthNames[Number(value.value) - 1] ?? `%!Month(${value.value})`;
  if (value.type === 'time.Weekday') return weekdayNames[Number(value.value)] ?? `%!Weekday(${value.value})`;
  return value.value.toString();
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

interface Spec {
  minus: boolean;
  plus: boolean;
  sharp: boolean;
  space: boolean;
  zero: boolean;
  width: number | undefined;
  precision: number | undefined;
}

/** fmt's bound: a larger width or precision is an error. */
const widthMax = 1_000_000;

/** fmt.Sprintf. Wrong uses give fmt's texts: %!d(string=x), %!s(MISSING), %!(EXTRA int=1). */
export function sprintf(format: string, args: readonly Value[]): string {
  return new Printer(format, args).print();
}

class Printer {
  readonly #format: string;
  readonly #args: readonly Value[];
  #at = 0;
  #argIndex = 0;
  #reordered = false;
  #goodIndex = true;
  #out = '';

  constructor(format: string, args: readonly Value[]) {
    this.#format = format;
    this.#args = args;
  }

  print(): string {
    const format = this.#format;
    while (this.#at < format.length) {
      const percent = format.indexOf('%', this.#at);
      const textEnd = percent < 0 ? format.length : percent;
      this.#out += format.slice(this.#at, textEnd);
      this.#at = textEnd + 1;
      if (percent >= 0) this.#directive();
    }
    if (!this.#reordered && this.#argIndex < this.#args.length) {
      const extra = this.#args
        .slice(this.#argIndex)
        .map((arg) => (arg === null ? '<nil>' : `${typeName(arg)}=${toText(arg)}`));
      this.#out += `%!(EXTRA ${extra.join(', ')})`;
    }
    return this.#out;
  }

  #directive(): void {
    const format = this.#format;
    const spec: Spec = {
      minus: false,
      plus: false,
      sharp: false,
      space: false,
      zero: false,
      width: undefined,
      precision: undefined,
    };
    this.#goodIndex = true;
    for (; ; this.#at++) {
      const flag = format[this.#at];
      if (flag === '#') spec.sharp = true;
      else if (flag === '0') spec.zero = true;
      else if (flag === '+') spec.plus = true;
      else if (flag === '-') spec.minus = true;
      else if (flag === ' ') spec.space = true;
      else break;
    }
    let afterIndex = this.#argNumber();
    if (format[this.#at] === '*') {
      this.#at++;
      spec.width = this.#intArg('%!(BADWIDTH)');
      if (spec.width !== undefined && spec.width < 0) {
        spec.width = -spec.width;
        spec.minus = true;
        spec.zero = false;
      }
      afterIndex = false;
    } else {
      spec.width = this.#number();
      if (afterIndex && spec.width !== undefined) this.#goodIndex = false;
    }
    if (format[this.#at] === '.') {
      this.#at++;
      if (afterIndex) this.#goodIndex = false;
      afterIndex = this.#argNumber();
      if (format[this.#at] === '*') {
        this.#at++;
        spec.precision = this.#intArg('%!(BADPREC)');
        if (spec.precision !== undefined && spec.precision < 0) {
          spec.precision = undefined;
          this.#out += '%!(BADPREC)';
        }
        afterIndex = false;
      } else spec.precision = this.#number() ?? 0;
    }
    if (!afterIndex) this.#argNumber();
    this.#verb(spec);
  }

  #verb(spec: Spec): void {
    if (this.#at >= this.#format.length) {
      this.#out += '%!(NOVERB)';
      return;
    }
    const verb = String.fromCodePoint(this.#format.codePointAt(this.#at)!);
    this.#at += verb.length;
    if (verb === '%') this.#out += '%';
    else if (!this.#goodIndex) this.#out += `%!${verb}(BADINDEX)`;
    else if (this.#argIndex >= this.#args.length) this.#out += `%!${verb}(MISSING)`;
    else this.#out += formatArg(this.#args[this.#argIndex++], verb, spec);
  }

  /** Parses [n] before an operand: the next argument is then argument n. */
  #argNumber(): boolean {
    const format = this.#format;
    if (format[this.#at] !== '[') return false;
    this.#reordered = true;
    const close = format.indexOf(']', this.#at);
    if (close < 0) {
      this.#goodIndex = false;
      this.#at++;
      return false;
    }
    const text = format.slice(this.#at + 1, close);
    const index = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0;
    this.#at = close + 1;
    if (index >= 1 && index <= this.#args.length) {
      this.#argIndex = index - 1;
      return true;
    }
    this.#goodIndex = false;
    return true;
  }

  /** Parses a number of the format; a number that is too large counts as none. */
  #number(): number | undefined {
    let value: number | undefined;
    for (; /[0-9]/.test(this.#format.charAt(this.#at)); this.#at++) {
      if (value !== undefined && value > widthMax) {
        this.#at = this.#format.length;
        return undefined;
      }
      value = (value ?? 0) * 10 + Number(this.#format[this.#at]);
    }
    return value;
  }

  #intArg(complaint: string): number | undefined {
    const arg = this.#argIndex < this.#args.length ? this.#args[this.#argIndex++] : undefined;
    const value = arg instanceof GoInt ? Number(arg.value) : Number.NaN;
    if (Math.abs(value) <= widthMax) return value;
    this.#out += complaint;
    return undefined;
  }
}

function formatArg(arg: Value, verb: string, spec: Spec): string {
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

/** The text for a verb that does not fit the value; the value is shown as %v, with the width. */
function bad(value: Value, verb: string, spec: Spec): string {
  return `%!${verb}(${typeName(value)}=${formatValue(value, 'v', { ...spec, sharp: false }, 0)})`;
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

function unicodeForm(value: bigint, spec: Spec): string {
  const text = `U+${BigInt.asUintN(64, value)
    .toString(16)
    .toUpperCase()
    .padStart(Math.max(4, spec.precision ?? 4), '0')}`;
  if (!spec.sharp || value < 0n || value > 0x10_ffffn) return text;
  const char = String.fromCodePoint(Number(value));
  return isPrint(char) ? `${text} '${char}'` : text;
}

function formatInteger(value: bigint, base: number, verb: string, spec: Spec): string {
  const isNegative = value < 0n;
  let digits = (isNegative ? -value : value).toString(base);
  if (verb === 'X') digits = digits.toUpperCase();
  let minimum = spec.precision ?? 0;
  if (spec.precision === 0 && value === 0n) return pad('', { ...spec, zero: false });
  const signRoom = isNegative || spec.plus || spec.space ? 1 : 0;
  if (spec.precision === undefined && spec.zero && !spec.minus && spec.width !== undefined) {
    minimum = spec.width - signRoom;
  }
  digits = digits.padStart(minimum, '0');
  if (spec.sharp) {
    if (base === 2) digits = `0b${digits}`;
    else if (base === 8 && !digits.startsWith('0')) digits = `0${digits}`;
    else if (base === 16) digits = `0${verb}${digits}`;
  }
  if (verb === 'O') digits = `0o${digits}`;
  const sign = isNegative ? '-' : spec.plus ? '+' : spec.space ? ' ' : '';
  return pad(sign + digits, { ...spec, zero: false });
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

function padNumber(text: string, value: number, spec: Spec): string {
  const isFinite = Number.isFinite(value);
  const isNegative = text.startsWith('-');
  let body = text.replace(/^[+-]/, '');
  const sign = isNegative
    ? '-'
    : spec.plus
      ? '+'
      : spec.space
        ? ' '
        : text.startsWith('+') && spec.plus
          ? '+'
          : '';
  if (!isFinite && !isNegative && !Number.isNaN(value)) body = `${spec.plus || spec.space ? '' : '+'}Inf`;
  if (spec.zero && isFinite && !spec.minus && spec.width !== undefined) {
    return sign + body.padStart(spec.width - sign.length, '0');
  }
  return pad(sign + body, { ...spec, zero: false });
}

/** Pads to the width, counted in characters. */
function pad(text: string, spec: Spec): string {
  if (spec.width === undefined) return text;
  const missing = spec.width - Array.from(text).length;
  if (missing <= 0) return text;
  if (spec.minus) return text + ' '.repeat(missing);
  return (spec.zero ? '0' : ' ').repeat(missing) + text;
}
