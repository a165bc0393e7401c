import { parseFloatText, parseIntText, quoteGo, unquoteRune } from '@loki/go';

interface ParsedNumber {
  /** The value as int64, uint64 and float64, as far as it is one. */
  readonly int: bigint | undefined;
  readonly uint: bigint | undefined;
  readonly float: number | undefined;
}

const int64Min = -(1n << 63n);
const int64Max = (1n << 63n) - 1n;
const uint64Max = (1n << 64n) - 1n;

/**
 * A number or character constant of a template, or the text of an error. Complex numbers are not known here.
 */
export function parseNumber(text: string, isChar: boolean): ParsedNumber | string {
  if (isChar) {
    const rune = unquoteRune(text);
    if (rune === undefined) {
      return text.length < 3 ? 'invalid syntax' : `malformed character constant: ${text}`;
    }
    return { int: BigInt(rune), uint: BigInt(rune), float: rune };
  }
  const whole = parseIntText(text);
  if (whole !== undefined && whole >= int64Min && whole <= uint64Max) {
    return {
      int: whole <= int64Max ? whole : undefined,
      uint: whole >= 0n ? whole : undefined,
      float: Number(whole),
    };
  }
  const float = parseFloatText(text);
  if (float === undefined) return `illegal number syntax: ${quoteGo(text)}`;
  if (!/[.eEpP]/.test(text)) return `integer overflow: ${quoteGo(text)}`;
  const asInt = Number.isInteger(float) && Math.abs(float) < 2 ** 63 ? BigInt(float) : undefined;
  return { int: asInt, uint: asInt !== undefined && asInt >= 0n ? asInt : undefined, float };
}
