/** The text of an OTLP value, as OpenTelemetry prints it: step *decode* of a written line. */
import { compareText } from '@loki/model';
import { OtlpArray, OtlpMap } from '@loki/proto';
import type { OtlpValue } from '@loki/proto';

/**
 * A value as a label, a metadata value or a line, like OpenTelemetry's `Value.AsString`: scalars as
 * themselves, maps and arrays as compact JSON; empty when it holds a number that JSON does not have.
 */
export function otlpText(value: OtlpValue): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof OtlpArray || value instanceof OtlpMap) return otlpJson(value) ?? '';
  return typeof value === 'number' ? numberText(value) : String(value);
}

/** JSON in Go's form without HTML escapes, keys sorted. Undefined for a number that JSON does not have. */
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

/** Go escapes the two line separators, because JavaScript did not allow them in texts. */
function jsonString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}
