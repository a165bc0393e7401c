/** Number constants of templates. */
import { parseFloatText, parseIntText, quoteGo, unquoteRune } from '@loki/go';

interface ParsedNumber {
  /** The value as int64, uint64 and float64; undefined where it does not fit the type. */
  readonly int: bigint | undefined;
  readonly uint: bigint | undefined;
  readonly float: number | undefined;
}

const int64Min = -(1n << 63n);
const int64Max = (1n << 63n) - 1n;
const uint64Max = (1n << 64n) - 1n;

/**
 * Parses a number or character constant of a template; returns the text of an error for others. Complex
 * numbers are not supported.
 */
export function parseNumber(text: string, isChar: boolean): ParsedNumber | string {
  if (isChar) {
    const rune = unquoteRune(text);
    if (rune === undefined) {
      return text.length < 3 ? 'invalid syntax' : `malformed character constant: ${text}`;
    }
    return { int: BigInt(rune), uint: BigInt(rune), float: rune };
  }
  const integer = parseIntText(text);
  if (integer !== undefined && integer >= int64Min && integer <= uint64Max) {
    return {
      int: integer <= int64Max ? integer : undefined,
      uint: integer >= 0n ? integer : undefined,
      float: Number(integer),
    };
  }
  const float = parseFloatText(text);
  if (float === undefined) return `illegal number syntax: ${quoteGo(text)}`;
  if (!/[.eEpP]/.test(text)) return `integer overflow: ${quoteGo(text)}`;
  const asInt = Number.isInteger(float) && Math.abs(float) < 2 ** 63 ? BigInt(float) : undefined;
  return { int: asInt, uint: asInt !== undefined && asInt >= 0n ? asInt : undefined, float };
}
