/** Log lines as logfmt, safe to show in a terminal. */

/** Values that need no quotes in logfmt. */
const bare = /^[^\p{Cc}\p{Bidi_Control}\s"=\\]+$/u;
const notInKeys = /[\p{Cc}\p{Bidi_Control}\s"=]+/gu;
/**
 * Characters that JSON does not escape but a terminal obeys: control characters, and marks that reorder the
 * line.
 */
const deceptive = /[\u007f-\u009f\u2028\u2029]|\p{Bidi_Control}/gu;

/**
 * Escapes characters of `text` that deceive a reader. `text` is a line whose values are quoted where
 * necessary.
 */
export function escapeDeceptive(text: string): string {
  return text.replace(deceptive, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * One line of logfmt, without the line end: `level=info ts=… msg="a b"`. Values are quoted when they hold
 * spaces, quotes, `=` or control characters; keys lose these characters.
 */
export function formatLogfmt(fields: Iterable<readonly [key: string, value: unknown]>): string {
  let line = '';
  for (const [key, value] of fields) {
    if (value === undefined) continue;
    if (line !== '') line += ' ';
    line += `${key.replace(notInKeys, '_')}=${formatValue(value)}`;
  }
  return line;
}

function formatValue(value: unknown): string {
  const text = valueText(value);
  return bare.test(text) ? text : JSON.stringify(text);
}

/** The text of a field: the message of an error, a number as it is, an object as JSON. */
export function valueText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return value.message;
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') {
    return String(value);
  }
  if (value === null || value === undefined) return 'null';
  try {
    return JSON.stringify(value) ?? 'null';
  } catch {
    // JSON refuses a cycle or a BigInt inside: only the type can be shown.
    return Object.prototype.toString.call(value);
  }
}
