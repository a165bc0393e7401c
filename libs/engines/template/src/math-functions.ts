/** Arithmetic functions of templates, as sprig defines them. */
import { parseFloatText, parseIntText } from '@loki/go';
import { add, decimalOf, divide, multiply, subtract, toNumber } from './decimal.ts';
import type { Decimal } from './decimal.ts';
import { CallError } from './errors.ts';
import { fn } from './function-types.ts';
import type { TemplateFunction } from './function-types.ts';
import { GoInt, int, int64, truth } from './values.ts';
import type { Value } from './values.ts';

/**
 * Arithmetic functions. Arguments of any type are converted to numbers; a value that is no number counts as
 * 0.
 */
export const mathFunctions: readonly (readonly [string, TemplateFunction])[] = [
  ['int', fn(['any'], ([value]) => int(toInt64(value)))],
  ['float64', fn(['any'], ([value]) => toFloat64(value))],
  ['add', fn([], (args) => int64(args.reduce<bigint>((sum, arg) => sum + toInt64(arg), 0n)), 'any')],
  ['sub', fn(['any', 'any'], ([a, b]) => int64(toInt64(a) - toInt64(b)))],
  ['mul', fn(['any'], (args) => int64(args.reduce<bigint>((product, arg) => BigInt.asIntN(64, product * toInt64(arg)), 1n)), 'any')],
  ['div', fn(['any', 'any'], ([a, b]) => int64(toInt64(a) / divisor(b)))],
  ['mod', fn(['any', 'any'], ([a, b]) => int64(toInt64(a) % divisor(b)))],
  ['max', fn(['any'], (args) => int64(args.map(toInt64).reduce((a, b) => (b > a ? b : a))), 'any')],
  ['min', fn(['any'], (args) => int64(args.map(toInt64).reduce((a, b) => (b < a ? b : a))), 'any')],
  ['addf', fn([], (args) => decimals([0, ...args], add), 'any')],
  ['subf', fn(['any'], (args) => decimals(args, subtract), 'any')],
  ['mulf', fn(['any'], (args) => decimals(args, multiply), 'any')],
  ['divf', fn(['any'], (args) => decimals(args, divide), 'any')],
  ['maxf', fn(['any'], (args) => args.map(toFloat64).reduce((a, b) => Math.max(a, b)), 'any')],
  ['minf', fn(['any'], (args) => args.map(toFloat64).reduce((a, b) => Math.min(a, b)), 'any')],
  ['ceil', fn(['any'], ([value]) => Math.ceil(toFloat64(value)))],
  ['floor', fn(['any'], ([value]) => Math.floor(toFloat64(value)))],
  ['round', fn(['any', 'int'], (args) => round(args), 'float64')],
  ['default', fn(['any'], ([fallback, ...candidates]) => (candidates.length > 0 && isSet(candidates[0]) ? candidates[0] : fallback), 'any')],
]; // prettier-ignore

function isSet(value: Value): boolean {
  // NaN counts as set.
  return typeof value === 'number' ? value !== 0 : truth(value);
}

/** Converts a value to int64. A text may use Go's bases; its fraction is dropped. */
function toInt64(value: Value): bigint {
  if (typeof value === 'string') {
    const decimal = /^([+-]?[0-9]*)\.[0-9]*$/.exec(value);
    const integerText = decimal ? (/[0-9]/.test(decimal[1]) ? decimal[1] : '0') : value;
    const parsed = parseIntText(integerText);
    return parsed !== undefined && BigInt.asIntN(64, parsed) === parsed ? parsed : 0n;
  }
  if (typeof value === 'number') {
    const fits = value >= -(2 ** 63) && value < 2 ** 63;
    return fits ? BigInt(Math.trunc(value)) : -(1n << 63n); // the processor's result for all other values
  }
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return value instanceof GoInt ? value.value : 0n;
}

function toFloat64(value: Value): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') {
    const parsed = parseFloatText(value);
    // For Go a number that is too large is an error, and errors give 0.
    return parsed === undefined || (!Number.isFinite(parsed) && /[0-9]/.test(value)) ? 0 : parsed;
  }
  if (typeof value === 'boolean') return value ? 1 : 0;
  return value instanceof GoInt ? Number(value.value) : 0;
}

function divisor(value: Value): bigint {
  const by = toInt64(value);
  if (by === 0n) throw new CallError('runtime error: integer divide by zero');
  return by;
}

function decimals(args: readonly Value[], operation: (a: Decimal, b: Decimal) => Decimal): number {
  // Operands are converted one after another, so the error is about the first invalid one.
  const [first, ...operands] = args;
  let value = decimalOf(toFloat64(first));
  for (const arg of operands) value = operation(value, decimalOf(toFloat64(arg)));
  return toNumber(value);
}

function round([value, places, roundOn]: readonly Value[]): number {
  const power = 10 ** Number((places as GoInt).value);
  const scaled = power * toFloat64(value);
  const fraction = scaled - Math.trunc(scaled);
  const roundsUp = fraction >= ((roundOn as number | undefined) ?? 0.5);
  return (roundsUp ? Math.ceil(scaled) : Math.floor(scaled)) / power;
}
