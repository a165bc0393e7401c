/** Floats as Go's strconv writes them: sample values, templates, JSON. */

/**
 * Formats a float in one of strconv's formats.
 *
 * @param precision digits after the point for e and f, significant ones for g; -1: the fewest that identify
 *   the value
 */
export function formatFloat(value: number, verb: 'e' | 'f' | 'g', precision: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const magnitude = Math.abs(value);
  if (verb === 'e') {
    return (
      sign + exponentForm(precision < 0 ? magnitude.toExponential() : toExponential(magnitude, precision))
    );
  }
  if (verb === 'f') {
    return sign + (precision < 0 ? plainForm(magnitude.toExponential()) : toFixed(magnitude, precision));
  }
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

/** JavaScript formats at most 100 digits; further ones have no practical use. */
const digitsMax = 100;
/** Digits that are compared to tell a tie from a value just beside it. */
const tieDigits = 60;

function toExponential(value: number, precision: number): string {
  const digitCount = Math.min(precision, digitsMax);
  const rounded = value.toExponential(digitCount);
  const longer = digitCount + tieDigits <= digitsMax ? value.toExponential(digitCount + tieDigits) : '';
  const digits = longer.slice(0, longer.indexOf('e')).replace('.', '');
  const even = isTie(digits, digitCount + 1)
    ? `${longer.slice(0, digitCount === 0 ? 1 : digitCount + 2)}${longer.slice(longer.indexOf('e'))}`
    : rounded;
  return precision === digitCount ? even : even.replace('e', `${'0'.repeat(precision - digitCount)}e`);
}

function toFixed(value: number, precision: number): string {
  const digitCount = Math.min(precision, digitsMax);
  let text: string;
  if (value >= 1e21) {
    text = digitCount === 0 ? BigInt(value).toString() : `${BigInt(value)}.${'0'.repeat(digitCount)}`;
  } else {
    text = value.toFixed(digitCount);
    const longer = digitCount + tieDigits <= digitsMax ? value.toFixed(digitCount + tieDigits) : '';
    const point = longer.indexOf('.');
    if (isTie(longer.replace('.', ''), point + digitCount)) {
      text = longer.slice(0, digitCount === 0 ? point : point + 1 + digitCount);
    }
  }
  return precision === digitCount ? text : text + '0'.repeat(precision - digitCount);
}

/**
 * Whether the digits from `at` on are exactly a half and the digit before them is even. JavaScript rounds
 * halves up; Go rounds them to the even neighbour, which then is the digits before `at`.
 */
function isTie(digits: string, at: number): boolean {
  return at > 0 && /^50*$/.test(digits.slice(at)) && Number(digits[at - 1]) % 2 === 0;
}

/** Sign, 53-bit mantissa and power of two of a finite double. */
function parts(value: number): { sign: string; mantissa: bigint; exponent: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  return {
    sign: bits >> 63n === 1n ? '-' : '',
    mantissa: biased === 0 ? fraction : fraction | (1n << 52n),
    exponent: Math.max(biased, 1) - 1075,
  };
}

/** %b: 4503599627370496p-52 */
export function binaryFloat(value: number): string {
  if (!Number.isFinite(value)) return formatFloat(value, 'g', -1);
  const { sign, mantissa, exponent } = parts(value);
  return `${sign}${mantissa}p${exponent < 0 ? '' : '+'}${exponent}`;
}

/** %x: 0x1.8p+00 */
export function hexFloat(value: number): string {
  if (!Number.isFinite(value)) return formatFloat(value, 'g', -1);
  const { sign, mantissa, exponent } = parts(value);
  if (mantissa === 0n) return `${sign}0x0p+00`;
  const bits = mantissa.toString(2);
  const fraction = bits.slice(1).padEnd(Math.ceil((bits.length - 1) / 4) * 4, '0');
  const digits =
    fraction === ''
      ? ''
      : BigInt(`0b${fraction}`)
          .toString(16)
          .padStart(fraction.length / 4, '0');
  const significant = digits.replace(/0+$/, '');
  const power = exponent + bits.length - 1;
  const powerText = String(Math.abs(power)).padStart(2, '0');
  return `${sign}0x1${significant === '' ? '' : '.'}${significant}p${power < 0 ? '-' : '+'}${powerText}`;
}
