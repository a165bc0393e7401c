/** The wildcard in the text of a pattern, as in LogQL's `|>`. */
export const wildcard = '<_>';

/** The role of a word, or of a place in a pattern, in the comparison of lines. */
export const wordKinds = { plain: 0, variable: 1, key: 2, wildcard: 3 } as const;

/** Lines with more words or characters get no pattern, because it would be unreadable. */
export const wordsMax = 192;
export const lineCharsMax = 4096;

/**
 * A line as words and separators: separators[0] words[0] separators[1] … words[n-1] separators[n] is the
 * line. Only the first and the last separator may be empty.
 */
export interface Tokens {
  readonly words: readonly string[];
  readonly separators: readonly string[];
}

const isSeparator = new Uint8Array(128);
for (const char of ' \t\r\n="\',;|()[]{}<>') isSeparator[char.charCodeAt(0)] = 1;
const colon = 0x3a;

/** Splits a line; undefined when it is too long, or has too many words or none. */
export function tokenize(line: string): Tokens | undefined {
  if (line.length > lineCharsMax) return undefined;
  const words: string[] = [];
  const separators: string[] = [];
  const { length } = line;
  let separatorStart = 0;
  let at = 0;
  for (;;) {
    while (at < length && separatesAt(line, at)) at++;
    if (at === length) break;
    if (words.length === wordsMax) return undefined;
    const wordStart = at;
    while (at < length && !separatesAt(line, at)) at++;
    separators.push(line.slice(separatorStart, wordStart));
    words.push(line.slice(wordStart, at));
    separatorStart = at;
  }
  if (words.length === 0) return undefined;
  separators.push(line.slice(separatorStart));
  return { words, separators };
}

/**
 * A colon separates only beside another separator or at an end (`error: x`, `"key":1`): not within 12:30 or a
 * URL.
 */
function separatesAt(line: string, at: number): boolean {
  const code = line.charCodeAt(at);
  if (code !== colon) return code < 128 && isSeparator[code] === 1;
  return (
    at === 0 || at === line.length - 1 || isPlainSeparator(line, at - 1) || isPlainSeparator(line, at + 1)
  );
}

function isPlainSeparator(line: string, at: number): boolean {
  const code = line.charCodeAt(at);
  return code < 128 && isSeparator[code] === 1;
}

/** The line or pattern as text. */
export function joinTokens({ words, separators }: Tokens): string {
  let text = separators[0];
  for (let i = 0; i < words.length; i++) text += words[i] + separators[i + 1];
  return text;
}

/**
 * The kind of each word. Keys (`key=`, `"key":`) and words with digits say little about the meaning of a
 * line.
 */
export function kindsOf({ words, separators }: Tokens): Uint8Array {
  const kinds = new Uint8Array(words.length);
  for (let i = 0; i < words.length; i++) {
    if (isKey(separators[i + 1])) kinds[i] = wordKinds.key;
    else if (hasDigit(words[i])) kinds[i] = wordKinds.variable;
  }
  return kinds;
}

function isKey(separator: string): boolean {
  return separator.startsWith('=') || separator.startsWith('":') || separator.startsWith("':");
}

function hasDigit(word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    const code = word.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) return true;
  }
  return false;
}
