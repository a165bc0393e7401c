/** Cuts a template into tokens, with Go's error texts. */
import { quoteGo } from '@loki/go';

export type TokenKind =
  | 'error' | 'eof' | 'text' | 'leftDelim' | 'rightDelim' | 'space' | 'assign' | 'declare' | 'pipe' | 'string' | 'rawString'
  | 'variable' | 'char' | 'charConstant' | 'dot' | 'field' | 'number' | 'complex' | 'identifier' | 'bool' | 'leftParen'
  | 'rightParen' | 'keyword'; // prettier-ignore

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Position in the template. */
  readonly at: number;
  /** Line of the token, from 1. */
  readonly line: number;
}

const keywords = new Set([
  'block', 'break', 'continue', 'define', 'else', 'end', 'if', 'range', 'nil', 'template', 'with',
]); // prettier-ignore

const spaces = ' \t\r\n';
const leftTrim = /^\{\{-[ \t\r\n]/;
const rightTrim = /[ \t\r\n]-\}\}/y;

/** The name of a token in an error. */
export function describe(token: Token): string {
  if (token.kind === 'eof') return 'EOF';
  if (token.kind === 'error') return token.text;
  if (token.kind === 'keyword' || token.kind === 'dot') return `<${token.text}>`;
  return Array.from(token.text).length > 10
    ? `${quoteGo(Array.from(token.text).slice(0, 10).join(''))}...`
    : quoteGo(token.text);
}

/**
 * Cuts a template into tokens, as text/template does. After an error or the end it returns that token again.
 */
export class Lexer {
  readonly #input: string;
  #at = 0;
  #line = 1;
  #isInAction = false;
  #parens = 0;
  #end: Token | undefined;

  constructor(input: string) {
    this.#input = input;
  }

  next(): Token {
    if (this.#end) return this.#end;
    const token = this.#isInAction ? this.#action() : this.#text();
    if (token.kind === 'error' || token.kind === 'eof') this.#end = token;
    return token;
  }

  /** Returns the token from the current position to `end` and moves behind it. */
  #take(kind: TokenKind, end: number): Token {
    const token = { kind, text: this.#input.slice(this.#at, end), at: this.#at, line: this.#line };
    this.#skipTo(end);
    return token;
  }

  #skipTo(end: number): void {
    for (let i = this.#at; i < end; i++) if (this.#input.charCodeAt(i) === 10) this.#line++;
    this.#at = end;
  }

  #error(text: string, line = this.#line): Token {
    return { kind: 'error', text, at: this.#at, line };
  }

  #text(): Token {
    const input = this.#input;
    for (;;) {
      const open = input.indexOf('{{', this.#at);
      if (open < 0) {
        return this.#at < input.length ? this.#take('text', input.length) : this.#take('eof', this.#at);
      }
      const trims = leftTrim.test(input.slice(open, open + 4));
      if (open > this.#at) {
        let end = open;
        while (trims && end > this.#at && spaces.includes(input[end - 1])) end--;
        const token = this.#take('text', end);
        this.#skipTo(open);
        if (token.text !== '') return token;
      }
      const bodyStart = open + (trims ? 4 : 2);
      if (!input.startsWith('/*', bodyStart)) {
        const token = this.#take('leftDelim', open + 2);
        this.#skipTo(bodyStart);
        this.#isInAction = true;
        this.#parens = 0;
        return token;
      }
      const failure = this.#comment(bodyStart);
      if (failure) return failure;
    }
  }

  #comment(start: number): Token | undefined {
    this.#skipTo(start);
    const close = this.#input.indexOf('*/', start + 2);
    if (close < 0) return this.#error('unclosed comment');
    const end = close + 2;
    if (this.#isTrimmedClose(end)) {
      this.#skipTo(end + 4);
      this.#skipSpaces();
    } else if (this.#input.startsWith('}}', end)) this.#skipTo(end + 2);
    else return this.#error('comment ends before closing delimiter');
    return undefined;
  }

  /** Whether ` -}}` is at `at`. */
  #isTrimmedClose(at: number): boolean {
    rightTrim.lastIndex = at;
    return rightTrim.test(this.#input);
  }

  #skipSpaces(): void {
    let end = this.#at;
    while (end < this.#input.length && spaces.includes(this.#input[end])) end++;
    this.#skipTo(end);
  }

  #action(): Token {
    const input = this.#input;
    const at = this.#at;
    const isTrimmed = this.#isTrimmedClose(at);
    if (isTrimmed || input.startsWith('}}', at)) {
      if (this.#parens > 0) return this.#error('unclosed left paren');
      return this.#close(isTrimmed);
    }
    if (at >= input.length) return this.#error('unclosed action');
    const char = String.fromCodePoint(input.codePointAt(at)!);
    if (spaces.includes(char)) return this.#spaceToken();
    switch (char) {
      case '=':
        return this.#take('assign', at + 1);
      case ':':
        return input[at + 1] === '=' ? this.#take('declare', at + 2) : this.#error('expected :=');
      case '|':
        return this.#take('pipe', at + 1);
      case '"':
        return this.#quoted('"', 'string', 'unterminated quoted string');
      case "'":
        return this.#quoted("'", 'charConstant', 'unterminated character constant');
      case '`': {
        const end = input.indexOf('`', at + 1);
        return end < 0 ? this.#error('unterminated raw quoted string') : this.#take('rawString', end + 1);
      }
      case '$':
        return this.#word(at + 1, 'variable');
      case '(':
        this.#parens++;
        return this.#take('leftParen', at + 1);
      case ')':
        if (--this.#parens < 0) return this.#error('unexpected right paren');
        return this.#take('rightParen', at + 1);
      default:
    }
    if (char === '.' && at + 1 < input.length && !/[0-9]/.test(input[at + 1])) {
      return this.#word(at + 1, 'field');
    }
    if (/[.+\-0-9]/.test(char)) return this.#number();
    if (isWordChar(char)) return this.#word(at, 'identifier');
    if (/^[!-~]$/.test(char)) return this.#take('char', at + 1);
    return this.#error(`unrecognized character in action: ${unicodeName(char)}`);
  }

  #close(isTrimmed: boolean): Token {
    if (isTrimmed) this.#skipTo(this.#at + 2);
    const token = this.#take('rightDelim', this.#at + 2);
    if (isTrimmed) this.#skipSpaces();
    this.#isInAction = false;
    return token;
  }

  #spaceToken(): Token {
    let end = this.#at;
    while (end < this.#input.length && spaces.includes(this.#input[end])) end++;
    // The last space may belong to a closing delimiter with a trim marker.
    if (this.#isTrimmedClose(end - 1)) end--;
    return end === this.#at ? this.#close(true) : this.#take('space', end);
  }

  #quoted(mark: string, kind: TokenKind, complaint: string): Token {
    const input = this.#input;
    for (let at = this.#at + 1; at < input.length && input[at] !== '\n'; at++) {
      if (input[at] === mark) return this.#take(kind, at + 1);
      if (input[at] === '\\') at++;
      if (input[at] === '\n') break;
    }
    return this.#error(complaint);
  }

  #word(start: number, kind: 'field' | 'variable' | 'identifier'): Token {
    const input = this.#input;
    let end = start;
    for (;;) {
      const char = end < input.length ? String.fromCodePoint(input.codePointAt(end)!) : '';
      if (char === '' || !isWordChar(char)) {
        if (!this.#isTerminator(end)) return this.#error(`bad character ${unicodeName(char)}`);
        break;
      }
      end += char.length;
    }
    if (kind === 'field') return this.#take(end === start ? 'dot' : 'field', end);
    if (kind === 'variable') return this.#take('variable', end);
    const word = input.slice(start, end);
    if (keywords.has(word)) return this.#take('keyword', end);
    return this.#take(word === 'true' || word === 'false' ? 'bool' : 'identifier', end);
  }

  /** Whether a word may end here. */
  #isTerminator(at: number): boolean {
    const char = this.#input.charAt(at);
    return char === '' || `${spaces}.,|:)(`.includes(char) || this.#input.startsWith('}}', at);
  }

  #number(): Token {
    const pattern =
      /[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?/y;
    pattern.lastIndex = this.#at;
    let end = this.#at + pattern.exec(this.#input)![0].length;
    const signText = this.#input.charAt(end);
    if (signText !== '' && isWordChar(String.fromCodePoint(this.#input.codePointAt(end)!))) {
      return this.#error(`bad number syntax: ${quoteGo(this.#input.slice(this.#at, end + 1))}`);
    }
    if (signText !== '+' && signText !== '-') return this.#take('number', end);
    pattern.lastIndex = end;
    end += pattern.exec(this.#input)![0].length;
    if (!this.#input.slice(this.#at, end).endsWith('i')) {
      return this.#error(`bad number syntax: ${quoteGo(this.#input.slice(this.#at, end))}`);
    }
    return this.#take('complex', end);
  }
}

function isWordChar(char: string): boolean {
  return /^[\p{L}\p{Nd}_]$/u.test(char);
}

/** U+0023 '#' */
function unicodeName(char: string): string {
  if (char === '') return 'U+FFFFFFFFFFFFFFFF';
  const hex = char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
  return /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(char) ? `U+${hex} '${char}'` : `U+${hex}`;
}
