/** Types of detected fields: the route `/detected_fields`. */
import { parseGoDuration } from '@loki/go';
import { parseBytesText, parseFloatOrError } from './value-text.ts';

export type FieldType = 'int' | 'float' | 'boolean' | 'duration' | 'bytes' | 'string';

const integer = /^[+-]?[0-9]{1,19}$/;
const int64Max = (1n << 63n) - 1n;
const booleans: ReadonlySet<string> = new Set([
  'true',
  'false',
  't',
  'f',
  'T',
  'F',
  'TRUE',
  'FALSE',
  'True',
  'False',
]);

/** The first type as which the value can be parsed. */
export function fieldTypeOf(value: string): FieldType {
  if (isInt64(value)) return 'int';
  if (typeof parseFloatOrError(value) === 'number') return 'float';
  if (booleans.has(value)) return 'boolean';
  if (parseGoDuration(value) !== undefined) return 'duration';
  if (typeof parseBytesText(value) === 'number') return 'bytes';
  return 'string';
}

function isInt64(value: string): boolean {
  if (!integer.test(value)) return false;
  if (value.length < 19) return true;
  const number = BigInt(value.replace('+', ''));
  return number <= int64Max && number >= -int64Max - 1n;
}
