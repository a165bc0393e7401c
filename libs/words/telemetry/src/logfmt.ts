/** Characters a logfmt value may have without quotes. */
const bare = /^[^\p{Cc}\p{Bidi_Control}\s"=\\]+$/u;
const notInKeys = /[\p{Cc}\p{Bidi_Control}\s"=]+/gu;
/**
 * JSON leaves these as they are: a terminal would obey them, or show the rest of the line in another order.
 */
const deceptive = /[\u007f-\u009f\u2028\u2029]|\p{Bidi_Control}/gu;

/**
 * `text`, a line whose values stand in quotes where they have to, with characters that deceive a reader
 * escaped.
 */
export function escapeDeceptive(text: string): string {
  return text.replace(deceptive, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * One line of logfmt, without the line end: `level=info ts=… msg="a b"`. Values are quoted when they hold
 * spaces, quotes, `=` or control characters; keys lose them.
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

/** How a field reads: errors by their message, durations and numbers as they are, objects as JSON. */
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
    // A cycle or a BigInt inside: the type is all that can be told.
    return Object.prototype.toString.call(value);
  }
}
