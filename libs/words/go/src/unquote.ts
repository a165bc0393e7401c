/** Go's quoted literals as text: LogQL, label sets and templates hold them. */

const simpleEscapes = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ['"', '"'],
  ["'", "'"],
]);

/**
 * Go's strconv.Unquote for `"…"`, `'…'` (any length) and raw strings in backticks. Byte escapes (`\xff`,
 * `\377`) may spell UTF-8; invalid UTF-8 becomes U+FFFD.
 *
 * @returns undefined when the text is not a well-formed literal
 */
export function unquoteGo(literal: string): string | undefined {
  const quote = literal[0];
  const body = literal.slice(1, -1);
  if (literal.length < 2 || literal.at(-1) !== quote) return undefined;
  if (quote === '`') return body.includes('`') ? undefined : body.replaceAll('\r', '');
  if (quote !== '"' && quote !== "'") return undefined;
  if (!body.includes('\\')) return body.includes(quote) || body.includes('\n') ? undefined : body;
  const parts: Buffer[] = [];
  const escape =
    /\\(?:([abfnrtv\\"'])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|([^\\\n]+)/y;
  while (escape.lastIndex < body.length) {
    const match = escape.exec(body);
    if (!match) return undefined;
    const [, simple, hex, octal, short, long, plain] = match;
    if (plain !== undefined) {
      if (plain.includes(quote)) return undefined;
      parts.push(Buffer.from(plain));
    } else if (simple !== undefined) {
      if ((simple === '"' || simple === "'") && simple !== quote) return undefined;
      parts.push(Buffer.from(simpleEscapes.get(simple)!));
    } else if (hex !== undefined) parts.push(Buffer.from([Number.parseInt(hex, 16)]));
    else if (octal !== undefined) {
      const byte = Number.parseInt(octal, 8);
      if (byte > 255) return undefined;
      parts.push(Buffer.from([byte]));
    } else {
      const code = Number.parseInt(short ?? long, 16);
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
      parts.push(Buffer.from(String.fromCodePoint(code)));
    }
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The rune of a character constant 'x', or undefined when the text is none. */
export function unquoteRune(quoted: string): number | undefined {
  const body = quoted.slice(1, -1);
  const byte = /^\\(?:x([0-9a-fA-F]{2})|([0-7]{3}))$/.exec(body);
  if (byte) {
    const value = byte[1] === undefined ? Number.parseInt(byte[2], 8) : Number.parseInt(byte[1], 16);
    return value > 255 ? undefined : value;
  }
  // Several byte escapes may spell one character, but Go counts them as several runes.
  if (/\\[x0-7]/.test(body)) return undefined;
  const chars = Array.from(unquoteGo(quoted) ?? '');
  return chars.length === 1 ? chars[0].codePointAt(0) : undefined;
}
