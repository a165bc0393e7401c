import { OtlpArray, OtlpMap, type OtlpValue } from '@loki/proto';
import { compareText, goJsonString } from '@loki/model';

/** A value as a label, a metadata value or a line: scalars as themselves, maps and arrays as compact JSON. */
export function otlpText(value: OtlpValue): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof OtlpArray || value instanceof OtlpMap) return otlpJson(value);
  return String(value);
}

/** JSON as Go writes it: keys sorted, `<`, `>` and `&` escaped. */
function otlpJson(value: OtlpValue): string {
  if (value === undefined) return 'null';
  if (typeof value === 'string') return goJsonString(value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`;
  if (value instanceof OtlpArray) return `[${value.values.map(otlpJson).join(',')}]`;
  if (value instanceof OtlpMap) {
    const byKey = new Map(value.pairs.map((pair) => [pair.key, pair.value]));
    const sorted = [...byKey].sort((a, b) => compareText(a[0], b[0]));
    return `{${sorted.map(([key, item]) => `${goJsonString(key)}:${otlpJson(item)}`).join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return 'null';
  return String(value);
}
