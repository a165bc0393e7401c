/** JSON as Go's encoding/json writes it: answers of the API and error texts. */

const needsEscape = /[<>&\u2028\u2029]/;
const escapes: ReadonlyMap<string, string> = new Map([
  ['<', '\\u003c'],
  ['>', '\\u003e'],
  ['&', '\\u0026'],
  ['\u2028', '\\u2028'],
  ['\u2029', '\\u2029'],
]);

/** JSON text as Go's encoder writes it: `<`, `>`, `&` and the two line separators escaped. */
function goEscape(json: string): string {
  return needsEscape.test(json) ? json.replace(/[<>&\u2028\u2029]/g, (char) => escapes.get(char)!) : json;
}

/** A JSON string of `text`, as Go writes it. Lone surrogates, which no UTF-8 holds, become U+FFFD. */
export function goJsonString(text: string): string {
  return goEscape(JSON.stringify(text.isWellFormed() ? text : text.toWellFormed()));
}

/** A value as Go's encoder writes it. */
export function goJson(value: unknown): string {
  return goEscape(JSON.stringify(value));
}
