/** Parses the label text of a push: step *decode* of a written line. */
import { quoteGo, unquoteGo } from '@loki/go';
import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';

interface LabelToken {
  readonly kind: 'name' | 'string' | 'sign' | 'end';
  readonly text: string;
  readonly at: number;
}

const blanks = /[ \t\n\r]*(?:#[^\n]*[ \t\n\r]*)*/y;
const name = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const metricName = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
/** Operators in braces. A second equals sign after `=` is a token of its own. */
const matcherSign = /=~|!=|!~|=/y;
const operator = /==|!=|=|>=|<=|[-+*/%^<>@]/y;

/**
 * Reads the label text of a push: `{app="api", env='prod'}`. Names may occur twice; the caller refuses that.
 * Grammar and error texts are those of Prometheus' parser, which Loki uses.
 *
 * @returns pairs in the order of the text
 * @throws LokiError badRequest `couldn't parse labels: …`
 */
export function parseLabels(text: string): LabelPair[] {
  return new LabelsParser(text).parse();
}

class LabelsParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): LabelPair[] {
    const pairs: LabelPair[] = [];
    this.#match(blanks);
    const metric = this.#match(metricName);
    if (metric !== '') pairs.push(['__name__', metric]);
    this.#match(blanks);
    if (this.#text[this.#at] === '{') {
      this.#at++;
      this.#pairs(pairs);
    }
    // An empty text means no labels, like `{}`.
    this.#match(blanks);
    if (this.#at < this.#text.length) this.#failOutside();
    return pairs;
  }

  #pairs(pairs: LabelPair[]): void {
    for (let isFirst = true; ; isFirst = false) {
      let token = this.#inBraces();
      if (!isFirst) {
        if (isSign(token, '}')) return;
        if (!isSign(token, ',')) this.#unexpected(token, '"," or "}"');
        token = this.#inBraces();
      }
      if (isSign(token, '}')) return;
      if (token.kind !== 'name' && token.kind !== 'string') this.#unexpected(token, 'identifier or "}"');
      const label = token.kind === 'string' ? this.#unquote(token) : token.text;
      const isQuoted = token.kind === 'string';
      const commaAt = this.#at;
      token = this.#inBraces();
      if (isQuoted && (isSign(token, ',') || isSign(token, '}'))) {
        // A quoted name without a value is the metric name.
        pairs.push(['__name__', label]);
        this.#at = commaAt;
        continue;
      }
      if (!isSign(token, '=')) this.#unexpected(token, isQuoted ? '"," or "}"' : '"="');
      token = this.#inBraces();
      if (token.kind !== 'string') this.#unexpected(token, 'string');
      pairs.push([label, this.#unquote(token)]);
    }
  }

  #match(expression: RegExp): string {
    expression.lastIndex = this.#at;
    const matched = expression.exec(this.#text)?.[0] ?? '';
    this.#at += matched.length;
    return matched;
  }

  #inBraces(): LabelToken {
    this.#match(blanks);
    const at = this.#at;
    const char = this.#text[at];
    if (char === undefined) this.#fail(at, 'unexpected end of input inside braces');
    const word = this.#match(name);
    if (word !== '') return { kind: 'name', text: word, at };
    if (char === '"' || char === "'" || char === '`') return { kind: 'string', text: this.#quoted(char), at };
    if (char === ',' || char === '}') {
      this.#at++;
      return { kind: 'sign', text: char, at };
    }
    const sign = this.#match(matcherSign);
    if (sign !== '') return { kind: 'sign', text: sign, at };
    if (char === '!') {
      return this.#fail(at, `unexpected character after '!' inside braces: ${this.#runeAt(at + 1)}`);
    }
    return this.#fail(at, `unexpected character inside braces: ${this.#runeAt(at)}`);
  }

  #runeAt(at: number): string {
    const code = this.#text.codePointAt(at);
    return code === undefined ? "'\ufffd'" : quoteRune(String.fromCodePoint(code));
  }

  #quoted(quote: string): string {
    const start = this.#at;
    for (let i = start + 1; i < this.#text.length; i++) {
      const char = this.#text[i];
      if (char === quote) {
        this.#at = i + 1;
        return this.#text.slice(start, i + 1);
      }
      if (quote === '`') continue;
      if (char === '\n') break;
      if (char === '\\') i = this.#escapeEnd(i, quote, start);
    }
    return this.#fail(start, quote === '`' ? 'unterminated raw string' : 'unterminated quoted string');
  }

  /** The position of the last character of the escape that begins at `at`. */
  #escapeEnd(at: number, quote: string, start: number): number {
    const text = this.#text;
    const kind = text[at + 1];
    if (kind === undefined) return this.#fail(start, 'escape sequence not terminated');
    if (kind === quote || 'abfnrtv\\'.includes(kind)) return at + 1;
    const form = numericEscape(kind);
    if (!form) return this.#fail(start, `unknown escape sequence ${describeRune(text, at + 1)}`);
    const first = at + 1 + form.skipped;
    let code = 0;
    for (let i = first; i < first + form.digits; i++) {
      const digit = Number.parseInt(text[i], form.base);
      if (i >= text.length) return this.#fail(start, 'escape sequence not terminated');
      if (Number.isNaN(digit)) {
        return this.#fail(start, `illegal character ${describeRune(text, i)} in escape sequence`);
      }
      code = code * form.base + digit;
    }
    if (code > form.max || (code >= 0xd800 && code <= 0xdfff)) {
      return this.#fail(start, 'escape sequence is an invalid Unicode code point');
    }
    return first + form.digits - 1;
  }

  #unquote(token: LabelToken): string {
    return (
      unquoteGo(token.text) ??
      this.#fail(token.at, `error unquoting string ${quoteGo(token.text)}: invalid syntax`)
    );
  }

  #failOutside(): never {
    const at = this.#at;
    const char = this.#text.slice(at, at + 2);
    if (char === '') return this.#fail(at, 'unexpected end of input');
    const word = this.#match(metricName);
    if (word !== '') return this.#fail(at, `unexpected identifier ${quoteGo(word)}`);
    if (char === '=~' || (char[0] === '!' && char !== '!=')) {
      return this.#fail(at, `unexpected character after '${char[0]}': ${this.#runeAt(at + 1)}`);
    }
    const sign = this.#match(operator);
    if (sign !== '') return this.#fail(at, `unexpected ${sign === '=' ? '"="' : `<op:${sign}>`}`);
    const first = String.fromCodePoint(this.#text.codePointAt(at)!);
    if ('{(),[]'.includes(first)) return this.#fail(at, `unexpected ${quoteGo(first)}`);
    if (first === '"' || first === "'" || first === '`') {
      return this.#fail(at, `unexpected string ${quoteGo(this.#quoted(first))}`);
    }
    const number = /^\d[\w.]*/.exec(this.#text.slice(at));
    if (number) return this.#fail(at, `unexpected number ${quoteGo(number[0])}`);
    return this.#fail(at, `unexpected character: ${quoteRune(first)}`);
  }

  #unexpected(token: LabelToken, expected: string): never {
    let tokenText = describeSign(token.text);
    if (token.kind === 'name') tokenText = `identifier ${quoteGo(token.text)}`;
    if (token.kind === 'string') tokenText = `string ${quoteGo(token.text)}`;
    return this.#fail(token.at, `unexpected ${tokenText} in label set, expected ${expected}`);
  }

  /** Fails with Prometheus' text. Positions are line:column from 1; columns count bytes. */
  #fail(at: number, message: string): never {
    const lines = this.#text.slice(0, at).split('\n');
    const column = Buffer.byteLength(lines.at(-1)!) + 1;
    throw new LokiError(
      'badRequest',
      `couldn't parse labels: ${lines.length}:${column}: parse error: ${message}`,
    );
  }
}

function isSign(token: LabelToken, sign: string): boolean {
  return token.kind === 'sign' && token.text === sign;
}

function describeSign(sign: string): string {
  return sign === '=~' || sign === '!=' || sign === '!~' ? `<op:${sign}>` : quoteGo(sign);
}

/** Go's %q of one character. */
function quoteRune(char: string): string {
  if (char === "'") return "'\\''";
  if (char === '"') return `'"'`;
  return `'${quoteGo(char).slice(1, -1)}'`;
}

/** The digits of a numeric escape: their number and base, and the characters before them. */
interface NumericEscape {
  readonly skipped: number;
  readonly digits: number;
  readonly base: number;
  readonly max: number;
}

function numericEscape(kind: string): NumericEscape | undefined {
  if (kind >= '0' && kind <= '7') return { skipped: 0, digits: 3, base: 8, max: 255 };
  if (kind === 'x') return { skipped: 1, digits: 2, base: 16, max: 255 };
  if (kind === 'u') return { skipped: 1, digits: 4, base: 16, max: 0x10ffff };
  return kind === 'U' ? { skipped: 1, digits: 8, base: 16, max: 0x10ffff } : undefined;
}

/** Go's %#U: `U+0071 'q'`. */
function describeRune(text: string, at: number): string {
  const char = String.fromCodePoint(text.codePointAt(at)!);
  const code = char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
  return /[\p{C}\p{Zl}\p{Zp}]/u.test(char) ? `U+${code}` : `U+${code} '${char}'`;
}
