const named = new Map([
  [7, '\\a'],
  [8, '\\b'],
  [12, '\\f'],
  [10, '\\n'],
  [13, '\\r'],
  [9, '\\t'],
  [11, '\\v'],
  [92, '\\\\'],
]);

/** strconv.Quote, with another quote for runes; `ascii` escapes everything beyond. */
export function quote(text: string, mark: '"' | "'" = '"', ascii = false): string {
  let out = mark as string;
  for (const char of text) {
    const rune = char.codePointAt(0)!;
    const escape = named.get(rune);
    if (char === mark) out += `\\${mark}`;
    else if (escape) out += escape;
    else if (isPrint(char) && (!ascii || rune < 0x80)) out += char;
    else if (rune < 0x80) out += `\\x${hex(rune, 2)}`;
    else if (rune <= 0xffff) out += `\\u${hex(rune, 4)}`;
    else out += `\\U${hex(rune, 8)}`;
  }
  return out + mark;
}

/** strconv.Quote of bytes that may be cut within a character: what is left of it is written as \\xNN. */
export function quoteBytes(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.endsWith('\ufffd')) return quote(text);
  const whole = text.replace(/\ufffd+$/, '');
  const rest = bytes.subarray(Buffer.byteLength(whole, 'utf8'));
  return `${quote(whole).slice(0, -1)}${Array.from(rest, (byte) => `\\x${hex(byte, 2)}`).join('')}"`;
}

/** Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols, and the ASCII space. */
export function isPrint(char: string): boolean {
  return char === ' ' || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(char);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** strconv.Unquote of a string with its quotes, or undefined: "…" with escapes, or `…`. */
export function unquote(quoted: string): string | undefined {
  if (quoted.startsWith('`')) return quoted.slice(1, -1).replaceAll('\r', '');
  const parsed = unescape(quoted.slice(1, -1), '"');
  return parsed === undefined ? undefined : parsed.join('');
}

/** The rune of a character constant 'x', or undefined when it is none. */
export function unquoteRune(quoted: string): number | undefined {
  const parsed = unescape(quoted.slice(1, -1), "'");
  if (parsed?.length !== 1) return undefined;
  return parsed[0].codePointAt(0)!;
}

const escapes = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
]);

/** The characters of a quoted text; bytes written as \xNN or \NNN that are no UTF-8 become U+FFFD. */
function unescape(body: string, mark: string): string[] | undefined {
  const out: string[] = [];
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length > 0) out.push(Buffer.from(bytes).toString('utf8'));
    bytes = [];
  };
  for (let at = 0; at < body.length;) {
    const char = String.fromCodePoint(body.codePointAt(at)!);
    if (char === mark || char === '\n') return undefined;
    if (char !== '\\') {
      flush();
      out.push(char);
      at += char.length;
      continue;
    }
    const kind = body.charAt(at + 1);
    const simple = escapes.get(kind) ?? (kind === mark ? mark : undefined);
    if (simple !== undefined) {
      flush();
      out.push(simple);
      at += 2;
      continue;
    }
    const numeric = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))/.exec(
      body.slice(at, at + 10),
    );
    if (!numeric) return undefined;
    at += numeric[0].length;
    const byte = numeric[1] === undefined ? numeric[4] && parseInt(numeric[4], 8) : parseInt(numeric[1], 16);
    if (typeof byte === 'number') {
      if (byte > 255) return undefined;
      if (mark === "'") out.push(String.fromCharCode(byte));
      else bytes.push(byte);
      continue;
    }
    const rune = parseInt(numeric[2] ?? numeric[3], 16);
    if (rune > 0x10_ffff || (rune >= 0xd800 && rune <= 0xdfff)) return undefined;
    flush();
    out.push(String.fromCodePoint(rune));
  }
  flush();
  return out;
}
