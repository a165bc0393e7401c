/** The alphabets of patterns, and ranges of code points as sequences of their units. */
import { clip, negate } from './char-set.ts';
import type { CharSet } from './char-set.ts';

/**
 * The alphabet of the JavaScript pattern's input.
 *
 * - `text`: a JavaScript string; units are UTF-16, a rune above U+FFFF is a lead and one trailing surrogate.
 * - `bytes`: UTF-8 bytes read as latin1, one unit a byte; a rune above U+7F is a lead byte and trailing
 *   bytes.
 *
 * Either way a rune is one unit that cannot trail, then units that can only trail. So `.` is
 * `[^\n⟨trail⟩][⟨trail⟩]*`, and a star over a set that holds every multi-unit rune may run over units:
 * when it stops within a rune, only another star of this kind can continue from there, and that star could
 * also have started at the rune's end. On well-formed input that is exact. Bytes that are no UTF-8: a stray
 * trailing byte belongs to the rune before it, any other stray byte is one rune.
 */
export type Alphabet = 'text' | 'bytes';

/** UTF-8 of lo .. hi, where both have the same length in bytes, as sequences of byte classes. */
export function byteSequences(lo: number, hi: number): string[] {
  const first = Buffer.from(String.fromCodePoint(lo));
  const last = Buffer.from(String.fromCodePoint(hi));
  const out: string[] = [];
  const walk = (from: Buffer, to: Buffer): void => {
    // Trailing bytes that take all values are written as classes together.
    let common = 0;
    while (common < from.length && from[common] === to[common]) common++;
    const tailIsWhole =
      from.subarray(common + 1).every((b) => b === 0x80) && to.subarray(common + 1).every((b) => b === 0xbf);
    if (common >= from.length - 1 || tailIsWhole) {
      let source = '';
      for (let i = 0; i < from.length; i++) source += unitClass([from[i], to[i]], 0xff);
      out.push(source);
      return;
    }
    // Splits into the part with the first value of this byte, the middle, and the part with the last value.
    const fromEnd = Buffer.from(from).fill(0xbf, common + 1);
    const toStart = Buffer.from(to).fill(0x80, common + 1);
    walk(from, fromEnd);
    if (to[common] - from[common] > 1) {
      const middleFrom = Buffer.from(toStart);
      middleFrom[common] = from[common] + 1;
      const middleTo = Buffer.from(fromEnd);
      middleTo[common] = to[common] - 1;
      walk(middleFrom, middleTo);
    }
    walk(toStart, to);
  };
  // Surrogates have no UTF-8.
  if (lo <= 0xdfff && hi >= 0xd800) {
    if (lo < 0xd800) out.push(...byteSequences(lo, 0xd7ff));
    if (hi > 0xdfff) out.push(...byteSequences(0xe000, hi));
    return out;
  }
  walk(first, last);
  return out;
}

/**
 * Cuts lo .. hi at multiples of `step`: a partial first range, complete ones in the middle, a partial last
 * one.
 */
export function rangesBy(lo: number, hi: number, step: number): [number, number][] {
  const firstEnd = Math.min(hi, lo - (lo % step) + step - 1);
  if (firstEnd === hi) return [[lo, hi]];
  const lastStart = hi - (hi % step);
  const out: [number, number][] = [];
  if (lo % step === 0 && hi % step === step - 1) return [[lo, hi]];
  let from = lo;
  if (lo % step !== 0) {
    out.push([lo, firstEnd]);
    from = firstEnd + 1;
  }
  const wholeEnd = hi % step === step - 1 ? hi : lastStart - 1;
  if (wholeEnd > from) out.push([from, wholeEnd]);
  if (wholeEnd !== hi) out.push([lastStart, hi]);
  return out;
}

export function unitMax(alphabet: Alphabet): number {
  return alphabet === 'bytes' ? 0xff : 0xffff;
}

/** A character class over units, negated when that is shorter. */
export function unitClass(set: CharSet, max: number): string {
  if (set.length === 2 && set[0] === set[1]) return unit(set[0]);
  if (set.length > 0 && set[0] === 0 && set[set.length - 1] === max) {
    const complement = clip(negate(set), 0, max);
    return complement.length === 0 ? '[^]' : `[^${unitRanges(complement)}]`;
  }
  return `[${unitRanges(set)}]`;
}

function unitRanges(set: CharSet): string {
  let out = '';
  for (let i = 0; i < set.length; i += 2) {
    out += unit(set[i]);
    if (set[i + 1] > set[i]) out += (set[i + 1] > set[i] + 1 ? '-' : '') + unit(set[i + 1]);
  }
  return out;
}

function unit(code: number): string {
  const char = String.fromCharCode(code);
  if (/[A-Za-z0-9]/.test(char)) return char;
  return code <= 0xff
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}
