/** printf of Go's package fmt for templates: flags, widths, argument numbers. */
import { widthMax } from './format-number.ts';
import type { Spec } from './format-number.ts';
import { formatArg, toText } from './format-value.ts';
import { GoInt, typeName } from './values.ts';
import type { Value } from './values.ts';

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
