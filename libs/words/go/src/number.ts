/** Numbers as Go's strconv parses them: templates and configuration. */

/**
 * strconv.ParseInt with base 0: 0x, 0o, 0b, leading 0 for octal, underscores between digits. The number may
 * have any size.
 */
export function parseIntText(text: string): bigint | undefined {
  const match =
    /^([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[bB]((?:_?[01])+)|0[oO]((?:_?[0-7])+)|(0(?:_?[0-7])*)|([1-9](?:_?[0-9])*))$/.exec(
      text,
    );
  if (!match) return undefined;
  const [, sign, hex, binary, octal, oldOctal, decimal] = match;
  const digits = (hex ?? binary ?? octal ?? oldOctal ?? decimal).replaceAll('_', '');
  const prefix = hex ? '0x' : binary ? '0b' : octal || oldOctal ? '0o' : '';
  const value = BigInt(prefix + digits);
  return sign === '-' ? -value : value;
}

/** Decimal floats; underscores may separate digits. */
const decimalFloat =
  /^[+-]?(?:[0-9](?:_?[0-9])*(?:\.(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9](?:_?[0-9])*)?$/;

/**
 * strconv.ParseFloat: decimal, hexadecimal with exponent, inf and nan.
 *
 * @returns undefined when the text is no number; ±Infinity also for a number too large
 */
export function parseFloatText(text: string): number | undefined {
  if (decimalFloat.test(text)) return Number(text.replaceAll('_', ''));
  const special = /^([+-]?)(?:(inf|infinity)|nan)$/i.exec(text);
  if (special) {
    return special[2] ? (special[1] === '-' ? -Infinity : Infinity) : special[1] ? undefined : Number.NaN;
  }
  const hex = /^([+-]?)0[xX]([0-9a-fA-F_]*)(?:\.([0-9a-fA-F_]*))?[pP]([+-]?[0-9]+)$/.exec(text);
  if (!hex) return undefined;
  const integer = hex[2].replaceAll('_', '');
  const fraction = (hex[3] ?? '').replaceAll('_', '');
  if (integer + fraction === '') return undefined;
  const mantissa = Number(BigInt(`0x${integer}${fraction}`));
  const value = mantissa * 2 ** (Number(hex[4]) - 4 * fraction.length);
  return hex[1] === '-' ? -value : value;
}
