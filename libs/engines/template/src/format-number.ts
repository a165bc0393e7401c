/** Numbers as Go's package fmt writes them: bases, signs, precision, padding. */
import { isPrint } from '@loki/go';

export interface Spec {
  minus: boolean;
  plus: boolean;
  sharp: boolean;
  space: boolean;
  zero: boolean;
  width: number | undefined;
  precision: number | undefined;
}

/** fmt's bound: a larger width or precision is an error. */
export const widthMax = 1_000_000;

export function unicodeForm(value: bigint, spec: Spec): string {
  const text = `U+${BigInt.asUintN(64, value)
    .toString(16)
    .toUpperCase()
    .padStart(Math.max(4, spec.precision ?? 4), '0')}`;
  if (!spec.sharp || value < 0n || value > 0x10_ffffn) return text;
  const char = String.fromCodePoint(Number(value));
  return isPrint(char) ? `${text} '${char}'` : text;
}

export function formatInteger(value: bigint, base: number, verb: string, spec: Spec): string {
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

export function padNumber(text: string, value: number, spec: Spec): string {
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
export function pad(text: string, spec: Spec): string {
  if (spec.width === undefined) return text;
  const missing = spec.width - Array.from(text).length;
  if (missing <= 0) return text;
  if (spec.minus) return text + ' '.repeat(missing);
  return (spec.zero ? '0' : ' ').repeat(missing) + text;
}
