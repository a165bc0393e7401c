/** Decimal numbers for sprig's exact arithmetic (`addf`, `divf`, …). */
import { CallError } from './errors.ts';

/** A decimal number without rounding: digits × 10^exponent. */
export interface Decimal {
  readonly digits: bigint;
  readonly exponent: number;
}

/** Digits after the point of a quotient. */
const divisionDigits = 16;
/** Most digits of a number: products of many factors would otherwise grow without bound. */
const digitsMax = 10_000;

/** The shortest decimal that identifies the double. */
export function decimalOf(value: number): Decimal {
  if (!Number.isFinite(value)) {
    const name = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
    throw new CallError(`Cannot create a Decimal from ${name}`);
  }
  const [mantissa, exponent] = value.toExponential().split('e');
  const [integer, fraction = ''] = mantissa.split('.');
  return { digits: BigInt(integer + fraction), exponent: Number(exponent) - fraction.length };
}

export function toNumber(value: Decimal): number {
  return Number(`${value.digits}e${value.exponent}`);
}

export function add(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent);
  return { digits: scaled(a, exponent) + scaled(b, exponent), exponent };
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  return add(a, { digits: -b.digits, exponent: b.exponent });
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return bounded({ digits: a.digits * b.digits, exponent: a.exponent + b.exponent });
}

/** Rounded to 16 digits after the point, halves away from zero. */
export function divide(a: Decimal, b: Decimal): Decimal {
  if (b.digits === 0n) throw new CallError('decimal division by 0');
  const shift = a.exponent - b.exponent + divisionDigits;
  const dividend = shift >= 0 ? a.digits * 10n ** BigInt(shift) : a.digits;
  const divisor = shift >= 0 ? b.digits : b.digits * 10n ** BigInt(-shift);
  let quotient = dividend / divisor;
  const remainder = dividend % divisor;
  if (abs(remainder) * 2n >= abs(divisor)) quotient += dividend < 0n === divisor < 0n ? 1n : -1n;
  return bounded({ digits: quotient, exponent: -divisionDigits });
}

function scaled(value: Decimal, exponent: number): bigint {
  return value.digits * 10n ** BigInt(value.exponent - exponent);
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}

const largest = 10n ** BigInt(digitsMax);

function bounded(value: Decimal): Decimal {
  if (abs(value.digits) > largest) throw new CallError('number has too many digits');
  return value;
}
