/**
 * A float in one of strconv's formats.
 *
 * @param precision digits after the point for e and f, significant ones for g; -1: as few as tell the value
 */
export function formatFloat(value: number, verb: 'e' | 'f' | 'g', precision: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const magnitude = Math.abs(value);
  if (verb === 'e')
    return (
      sign + exponentForm(precision < 0 ? magnitude.toExponential() : toExponential(magnitude, precision))
    );
  if (verb === 'f')
    return sign + (precision < 0 ? plainForm(magnitude.toExponential()) : toFixed(magnitude, precision));
  const isShortest = precision < 0;
  const digits = isShortest
    ? magnitude.toExponential()
    : toExponential(magnitude, Math.max(1, precision) - 1);
  const exponent = Number(digits.slice(digits.indexOf('e') + 1));
  const trimmed = isShortest ? digits : trimZeros(digits);
  const digitCount = trimmed.slice(0, trimmed.indexOf('e')).replace('.', '').length;
  let limit = isShortest ? 6 : Math.max(1, precision);
  if (!isShortest && limit > digitCount && digitCount >= exponent + 1) limit = digitCount;
  return exponent < -4 || exponent >= limit ? sign + exponentForm(trimmed) : sign + plainForm(trimmed);
}

/** Go writes at least two digits of exponent: 1e+06. */
function exponentForm(digits: string): string {
  return digits.replace(/e([+-])(\d)$/, 'e$10$2');
}

function trimZeros(digits: string): string {
  return digits.replace(/\.?0*(?=e)/, (zeros) => (digits.includes('.') ? '' : zeros));
}

/** d.ddde±x without exponent. */
function plainForm(digits: string): string {
  const split = digits.indexOf('e');
  const exponent = Number(digits.slice(split + 1));
  const mantissa = digits.slice(0, split).replace('.', '');
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${mantissa}`;
  if (mantissa.length <= exponent + 1) return mantissa.padEnd(exponent + 1, '0');
  return `${mantissa.slice(0, exponent + 1)}.${mantissa.slice(exponent + 1)}`;
}

/** JavaScript stops at 100 digits; the ones behind are of no use to anybody. */
const digitsMax = 100;
/** Digits looked at to tell a tie from a value just beside it. */
const tieDigits = 60;

function toExponential(value: number, precision: number): string {
  const kept = Math.min(precision, digitsMax);
  const rounded = value.toExponential(kept);
  const longer = kept + tieDigits <= digitsMax ? value.toExponential(kept + tieDigits) : '';
  const digits = longer.slice(0, longer.indexOf('e')).replace('.', '');
  const even = isTie(digits, kept + 1)
    ? `${longer.slice(0, kept === 0 ? 1 : kept + 2)}${longer.slice(longer.indexOf('e'))}`
    : rounded;
  return precision === kept ? even : even.replace('e', `${'0'.repeat(precision - kept)}e`);
}

function toFixed(value: number, precision: number): string {
  const kept = Math.min(precision, digitsMax);
  let text: string;
  if (value >= 1e21) text = kept === 0 ? BigInt(value).toString() : `${BigInt(value)}.${'0'.repeat(kept)}`;
  else {
    text = value.toFixed(kept);
    const longer = kept + tieDigits <= digitsMax ? value.toFixed(kept + tieDigits) : '';
    const point = longer.indexOf('.');
    if (isTie(longer.replace('.', ''), point + kept))
      text = longer.slice(0, kept === 0 ? point : point + 1 + kept);
  }
  return precision === kept ? text : text + '0'.repeat(precision - kept);
}

/**
 * Are the digits from `at` on exactly a half, and the one before even? JavaScript rounds halves up, Go to the even
 * neighbour, which is then what stands before.
 */
function isTie(digits: string, at: number): boolean {
  return at > 0 && /^50*$/.test(digits.slice(at)) && Number(digits[at - 1]) % 2 === 0;
}
