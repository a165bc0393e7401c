import { LokiError, quoteGo } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { unquoteGo } from './go-string.ts';

interface LabelToken {
  readonly kind: 'name' | 'string' | 'sign' | 'end';
  readonly text: string;
  readonly at: number;
}

const blanks = /[ \t\n\r]*(?:#[^\n]*[ \t\n\r]*)*/y;
const name = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const metricName = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const comparison = /=~|!=|!~|==|=/y;

/**
 * Reads the label text of a push: `{app="api", env='prod'}`. Names may come twice: refusing that is the caller's.
 * Grammar and words of the complaints are those of Prometheus' parser, which clients of Loki meet.
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
    } else if (metric === '') this.#failOutside();
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
      token = this.#inBraces();
      if (!isSign(token, '=')) this.#unexpected(token, '"="');
      token = this.#inBraces();
      if (token.kind !== 'string') this.#unexpected(token, 'string');
      pairs.push([label, this.#unquote(token)]);
    }
  }

  #match(expression: RegExp): string {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
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
    const sign = this.#match(comparison);
    if (sign !== '') return { kind: 'sign', text: sign, at };
    const wrong = String.fromCodePoint(this.#text.codePointAt(at)!);
    return this.#fail(at, `unexpected character inside braces: ${quoteRune(wrong)}`);
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
      if (char === '\\') i++;
    }
    return this.#fail(start, quote === '`' ? 'unterminated raw string' : 'unterminated quoted string');
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
    const sign = this.#match(comparison);
    if (sign !== '') return this.#fail(at, `unexpected ${describeSign(sign)}`);
    const first = String.fromCodePoint(this.#text.codePointAt(at)!);
    if ('{}(),[]'.includes(first)) return this.#fail(at, `unexpected ${quoteGo(first)}`);
    if (first === '"' || first === "'" || first === '`') {
      return this.#fail(at, `unexpected string ${quoteGo(this.#quoted(first))}`);
    }
    const number = /^\d[\w.]*/.exec(this.#text.slice(at));
    if (number) return this.#fail(at, `unexpected number ${quoteGo(number[0])}`);
    return this.#fail(at, `unexpected character: ${quoteRune(first)}`);
  }

  #unexpected(token: LabelToken, expected: string): never {
    let what = describeSign(token.text);
    if (token.kind === 'name') what = `identifier ${quoteGo(token.text)}`;
    if (token.kind === 'string') what = `string ${quoteGo(token.text)}`;
    return this.#fail(token.at, `unexpected ${what} in label set, expected ${expected}`);
  }

  /** Positions are line:column from 1; columns count bytes. */
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
  return sign === '=~' || sign === '!=' || sign === '!~' || sign === '==' ? `<op:${sign}>` : quoteGo(sign);
}

/** Go's %q of one character. */
function quoteRune(char: string): string {
  if (char === "'") return "'\\''";
  if (char === '"') return `'"'`;
  return `'${quoteGo(char).slice(1, -1)}'`;
}
