/** Labels of JSON pushes as label text. */
import { jsonErrors } from '@loki/go';
import { compareText, Labels } from '@loki/model';
import type { JsonRange } from './json-iterator-cursor.ts';
import { eachField, textOf } from './jsonparser-walk.ts';

/**
 * Label text of a JSON object of labels: sorted; of repeated names the last value counts. A value that is no
 * string counts as its text.
 */
export function labelTextOfJson(
  bytes: Buffer,
  object: JsonRange,
): { readonly text: string } | { readonly problem: string } {
  const values = new Map<string, string>();
  const problem = eachField(bytes, object, (name, { start, end }) => {
    const text = textOf(bytes, start, end);
    if (text === undefined) return jsonErrors.value;
    values.set(name, text);
    return undefined;
  });
  if (problem !== undefined) return { problem };
  return { text: labelTextOfPairs([...values].sort((a, b) => compareText(a[0], b[0]))) };
}

/** `{name="value", …}` of pairs in their order; the label parser checks the names. */
export function labelTextOfPairs(pairs: readonly (readonly [string, string])[]): string {
  return Labels.fromSorted(
    pairs.map(([name]) => name),
    pairs.map(([, value]) => value),
  ).toString();
}
