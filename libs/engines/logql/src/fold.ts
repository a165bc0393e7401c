/** Arithmetic of two numbers: constant expressions, and binary operations at the root of a query. */
import type { BinaryOp } from './ast.ts';

/**
 * Arithmetic and comparison of two numbers, as LogQL defines it: division and remainder by zero are NaN,
 * comparisons give 1 or 0.
 */
export function fold(op: BinaryOp, left: number, right: number): number {
  switch (op) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return right === 0 ? Number.NaN : left / right;
    case '%':
      return right === 0 ? Number.NaN : left % right;
    case '^':
      return power(left, right);
    case '==':
      return left === right ? 1 : 0;
    case '!=':
      return left !== right ? 1 : 0;
    case '>':
      return left > right ? 1 : 0;
    case '>=':
      return left >= right ? 1 : 0;
    case '<':
      return left < right ? 1 : 0;
    case '<=':
      return left <= right ? 1 : 0;
    case 'and':
    case 'or':
    case 'unless':
      throw new Error(`set operation ${op} on numbers`);
  }
}

/** IEEE pow. JavaScript differs for a base of ±1 with an infinite or NaN exponent. */
function power(base: number, exponent: number): number {
  if (base === 1) return 1;
  if (base === -1 && !Number.isFinite(exponent) && !Number.isNaN(exponent)) return 1;
  return base ** exponent;
}
