/** Labels of JSON pushes as label text. */
import { jsonErrors } from '@loki/go';
import { compareText, Labels } from '@loki/model';
import type { JsonRange } from './json-iterator-cursor.ts';
import { eachField, textOf } from './jsonparser-walk.ts';

/**
 * A JSON object of labels as label text: sorted; of a name given twice the last value counts. A value that is
 * no string counts as the text it is written with.
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

/** `{name="value", …}` of pairs as they come; names are not checked here, the label parser does that. */
export function labelTextOfPairs(pairs: readonly (readonly [string, string])[]): string {
  return Labels.fromSorted(
    pairs.map(([name]) => name),
    pairs.map(([, value]) => value),
  ).toString();
}
