/** Quoted texts as Go's strconv writes them: label sets, error texts, templates. */

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

const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** strconv.Quote: printable characters stay, others are escaped. */
export function quoteGo(text: string): string {
  return plain.test(text) ? `"${text}"` : quoteWith(text, '"', false);
}

/** strconv.QuoteToASCII: everything beyond ASCII is escaped. */
export function quoteToAscii(text: string): string {
  return quoteWith(text, '"', true);
}

/** strconv.QuoteRune, and QuoteRuneToASCII. */
export function quoteRune(char: string, isAscii: boolean): string {
  return quoteWith(char, "'", isAscii);
}

function quoteWith(text: string, mark: '"' | "'", isAscii: boolean): string {
  let out = mark as string;
  for (const char of text) {
    const rune = char.codePointAt(0)!;
    const escape = named.get(rune);
    if (char === mark) out += `\\${mark}`;
    else if (escape) out += escape;
    else if (isPrint(char) && (!isAscii || rune < 0x80)) out += char;
    else if (rune < 0x80) out += `\\x${hex(rune, 2)}`;
    // Half a surrogate pair encodes a byte that is no UTF-8 (`parseQueryText` of the model).
    else if (mark === '"' && rune >= 0xdc80 && rune <= 0xdcff) out += `\\x${hex(rune - 0xdc00, 2)}`;
    else if (rune <= 0xffff) out += `\\u${hex(rune, 4)}`;
    else out += `\\U${hex(rune, 8)}`;
  }
  return out + mark;
}

/**
 * strconv.Quote of bytes that may end within a character: the bytes of that character are written as \\xNN.
 */
export function quoteBytes(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.endsWith('\ufffd')) return quoteGo(text);
  const complete = text.replace(/\ufffd+$/, '');
  const tail = bytes.subarray(Buffer.byteLength(complete, 'utf8'));
  return `${quoteGo(complete).slice(0, -1)}${Array.from(tail, (byte) => `\\x${hex(byte, 2)}`).join('')}"`;
}

/** Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols, and the ASCII space. */
export function isPrint(char: string): boolean {
  return char === ' ' || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(char);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
