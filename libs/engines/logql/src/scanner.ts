/** Scans query text as Go's text/scanner does, because error positions depend on it. */
import type { LokiError } from '@loki/model';
import { parseErrorAt } from './errors.ts';
import { misplacedUnderscore } from './numbers.ts';

type ScanKind = 'end' | 'identifier' | 'number' | 'string' | 'rawString' | 'other';

const newline = 10;

const anyLetter = /^\p{L}$/u;
const anyDigit = /^\p{Nd}$/u;

/**
 * Splits text the way Go's text/scanner does, because error texts show positions: a token's position is that
 * of its first character, columns count characters, and `next` invalidates the line (it becomes 0).
 */
export class Scanner {
  readonly source: string;
  /** Position of the latest token. */
  line = 0;
  column = 0;
  /** Index in `source` of the next character. */
  index = 0;
  /**
   * The error of the first malformed number. The number is still a token: an error about its use comes first.
   */
  numberError: LokiError | undefined;
  #tokenStart = 0;
  /** Code point at `index`; -1 at the end. */
  #char = -1;
  #charLine = 1;
  #charColumn = 0;
  #lastLineLength = 0;

  constructor(source: string) {
    this.source = source;
    this.#load();
    if (this.#char === 0xfeff) this.#advance();
  }

  /** The next character, which stays unread; -1 at the end. */
  peek(): number {
    return this.#char;
  }

  /** Reads one character outside of any token. */
  next(): number {
    this.line = 0;
    const char = this.#char;
    if (char >= 0) this.#advance();
    return char;
  }

  /** Text of the latest token and of all characters that `next` has read since. */
  get text(): string {
    return this.source.slice(this.#tokenStart, this.index);
  }

  scan(): ScanKind {
    for (;;) {
      while (this.#char === 32 || this.#char === 9 || this.#char === newline || this.#char === 13) {
        this.#advance();
      }
      this.#tokenStart = this.index;
      if (this.#charColumn > 0) {
        this.line = this.#charLine;
        this.column = this.#charColumn;
      } else {
        // The last character was a line break (or the text is empty): the position is after it, on the line
        // that it ends.
        this.line = this.#charLine - 1;
        this.column = this.#lastLineLength;
      }
      const char = this.#char;
      if (char < 0) return 'end';
      if (isLetter(char)) return this.#scanIdentifier();
      if (isDigit(char)) return this.#scanNumber(false);
      const text = String.fromCodePoint(char);
      this.#advance();
      if (text === '"') return this.#scanString(34, 'string');
      if (text === "'") return this.#scanString(39, 'other');
      if (text === '`') return this.#scanRawString();
      if (text === '.' && isDigit(this.#char)) return this.#scanNumber(true);
      if (text === '/' && (this.#char === 47 || this.#char === 42)) {
        this.#skipComment();
        continue;
      }
      return 'other';
    }
  }

  fail(message: string): never {
    throw parseErrorAt(this.line, this.column, message);
  }

  #failNumber(message: string): void {
    this.numberError ??= parseErrorAt(this.line, this.column, message);
  }

  /** Loads the character at `index` and counts its column. */
  #load(): void {
    if (this.index >= this.source.length) {
      if (this.#char >= 0) this.#charColumn++;
      this.#char = -1;
      return;
    }
    this.#char = this.source.codePointAt(this.index)!;
    this.#charColumn++;
    if (this.#char === 0) this.fail('invalid character NUL');
    // Half a surrogate pair encodes a byte that is no UTF-8 (`FormValues`).
    if (this.#char >= 0xd800 && this.#char <= 0xdfff) this.fail('invalid UTF-8 encoding');
    if (this.#char === newline) {
      this.#charLine++;
      this.#lastLineLength = this.#charColumn;
      this.#charColumn = 0;
    }
  }

  #advance(): void {
    this.index += this.#char > 0xffff ? 2 : 1;
    this.#load();
  }

  #scanIdentifier(): ScanKind {
    do this.#advance();
    while (
      isLetter(this.#char) ||
      isDigit(this.#char) ||
      (this.#char > 127 && anyDigit.test(charText(this.#char)))
    );
    return 'identifier';
  }

  /**
   * Decimal and hexadecimal literals with `_` between digits; `seenDot`: the dot before the digits has been
   * read.
   */
  #scanNumber(seenDot: boolean): ScanKind {
    let isHex = false;
    if (!seenDot && this.#char === 48) {
      this.#advance();
      const prefix = charText(this.#char).toLowerCase();
      if (prefix === 'x' || prefix === 'o' || prefix === 'b') {
        isHex = prefix === 'x';
        this.#advance();
        const names = { x: 'hexadecimal', o: 'octal', b: 'binary' };
        if (this.#digits(isHex) === 0) this.#failNumber(`${names[prefix]} literal has no digits`);
      }
    }
    this.#digits(isHex);
    if (!seenDot && this.#char === 46) {
      this.#advance();
      this.#digits(isHex);
    }
    const exponent = charText(this.#char).toLowerCase();
    if ((exponent === 'e' && !isHex) || (exponent === 'p' && isHex)) {
      this.#advance();
      if (this.#char === 43 || this.#char === 45) this.#advance();
      if (this.#digits(false) === 0) this.#failNumber('exponent has no digits');
    }
    const text = this.text;
    const badOctal = /^0[oO]?[0-7_]*([89])[\d_]*$/.exec(text);
    if (badOctal) this.#failNumber(`invalid digit '${badOctal[1]}' in octal literal`);
    const badBinary = /^0[bB][01_]*([2-9])[\d_]*$/.exec(text);
    if (badBinary) this.#failNumber(`invalid digit '${badBinary[1]}' in binary literal`);
    if (misplacedUnderscore.test(text)) {
      this.#failNumber("'_' must separate successive digits");
    }
    return 'number';
  }

  #digits(isHex: boolean): number {
    let count = 0;
    for (;;) {
      const char = this.#char;
      const isLetter = (char >= 65 && char <= 70) || (char >= 97 && char <= 102);
      if (isDigit(char) || (isHex && isLetter)) count++;
      else if (char !== 95) return count;
      this.#advance();
    }
  }

  #scanString(quote: number, kind: ScanKind): ScanKind {
    let count = 0;
    while (this.#char !== quote) {
      if (this.#char === newline || this.#char < 0) this.fail('literal not terminated');
      if (this.#char === 92) this.#scanEscape(quote);
      else this.#advance();
      count++;
    }
    this.#advance();
    // Single quotes enclose one character, not a string.
    if (quote === 39 && count !== 1) this.fail('invalid char literal');
    return kind;
  }

  #scanEscape(quote: number): void {
    this.#advance();
    const char = this.#char;
    const text = charText(char);
    if ('abfnrtv\\'.includes(text) || char === quote) return this.#advance();
    if (char >= 48 && char <= 55) return this.#escapeDigits(3, 8);
    const digits = { x: 2, u: 4, U: 8 }[text];
    if (digits === undefined) this.fail('invalid char escape');
    this.#advance();
    this.#escapeDigits(digits, 16);
  }

  #escapeDigits(count: number, base: number): void {
    for (let i = 0; i < count; i++) {
      const digit = Number.parseInt(charText(this.#char), base);
      if (Number.isNaN(digit)) this.fail('invalid char escape');
      this.#advance();
    }
  }

  #scanRawString(): ScanKind {
    while (this.#char !== 96) {
      if (this.#char < 0) this.fail('literal not terminated');
      this.#advance();
    }
    this.#advance();
    return 'rawString';
  }

  #skipComment(): void {
    if (this.peek() === 47) {
      while (this.peek() >= 0 && this.peek() !== newline) this.#advance();
      return;
    }
    this.#advance();
    for (let previous = 0; ; this.#advance()) {
      if (this.#char < 0) this.fail('comment not terminated');
      if (previous === 42 && this.#char === 47) return this.#advance();
      previous = this.#char;
    }
  }
}

/** A letter or `_`. */
function isLetter(char: number): boolean {
  if (char > 127) return anyLetter.test(charText(char));
  return (char >= 97 && char <= 122) || (char >= 65 && char <= 90) || char === 95;
}

/** The character as text; NUL for the end, because no text contains it. */
function charText(char: number): string {
  return String.fromCodePoint(Math.max(char, 0));
}

function isDigit(char: number): boolean {
  return char >= 48 && char <= 57;
}
