/** The text of an OTLP value, as OpenTelemetry prints it: step *decode* of a written line. */
import { compareText } from '@loki/model';
import { OtlpArray, OtlpMap } from '@loki/proto';
import type { OtlpValue } from '@loki/proto';

/**
 * A value as a label, a metadata value or a line, as OpenTelemetry's `Value.AsString` has it: scalars as
 * themselves, maps and arrays as compact JSON; nothing for those that hold a number JSON does not have.
 */
export function otlpText(value: OtlpValue): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof OtlpArray || value instanceof OtlpMap) return otlpJson(value) ?? '';
  return typeof value === 'number' ? numberText(value) : String(value);
}

/** JSON as Go writes it without regard to HTML: keys sorted. Undefined when there is none. */
function otlpJson(value: OtlpValue): string | undefined {
  if (value === undefined) return 'null';
  if (typeof value === 'string') return jsonString(value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`;
  if (value instanceof OtlpArray) {
    const items = value.values.map(otlpJson);
    return items.includes(undefined) ? undefined : `[${items.join(',')}]`;
  }
  if (value instanceof OtlpMap) {
    const byKey = new Map(value.pairs.map((pair) => [pair.key, pair.value]));
    const fields: string[] = [];
    for (const [key, item] of [...byKey].sort((a, b) => compareText(a[0], b[0]))) {
      const json = otlpJson(item);
      if (json === undefined) return undefined;
      fields.push(`${jsonString(key)}:${json}`);
    }
    return `{${fields.join(',')}}`;
  }
  if (typeof value !== 'number') return String(value);
  return Number.isFinite(value) ? numberText(value) : undefined;
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** The two line separators are escaped, as no browser's script could hold them. */
function jsonString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}
