const needsGoEscape = /[<>&\u2028\u2029]/;
const goEscapes = new Map([
  ['<', '\\u003c'],
  ['>', '\\u003e'],
  ['&', '\\u0026'],
  ['\u2028', '\\u2028'],
  ['\u2029', '\\u2029'],
]);

/** JSON text as Go's encoder writes it: what could end a script element is escaped too. */
export function goEscape(json: string): string {
  return needsGoEscape.test(json) ? json.replace(/[<>&\u2028\u2029]/g, (char) => goEscapes.get(char)!) : json;
}

/** A JSON string of `text`. Lone surrogates, which no UTF-8 holds, become U+FFFD. */
export function jsonString(text: string): string {
  return goEscape(JSON.stringify(text.isWellFormed() ? text : text.toWellFormed()));
}
