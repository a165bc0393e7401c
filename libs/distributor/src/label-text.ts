import { compareText, Labels } from '@loki/model';
import { JsonArray, JsonObject, type JsonValue } from './json-cursor.ts';

/** The label object as label text: sorted; of a name given twice the last value counts. */
export function labelTextOf(stream: JsonObject): string {
  const values = new Map<string, string>();
  for (const [name, value] of stream.fields) values.set(name, scalarText(value));
  const sorted = [...values].sort((a, b) => compareText(a[0], b[0]));
  return labelTextOfPairs(sorted);
}

/** `{name="value", …}` of pairs as they come; names are not checked here, the label parser does that. */
export function labelTextOfPairs(pairs: readonly (readonly [string, string])[]): string {
  return Labels.fromSorted(
    pairs.map(([name]) => name),
    pairs.map(([, value]) => value),
  ).toString();
}

/** A label value that is no string counts as its own text. */
function scalarText(value: JsonValue): string {
  if (typeof value === 'string') return value;
  if (value instanceof JsonObject || value instanceof JsonArray) return '';
  return String(value);
}
