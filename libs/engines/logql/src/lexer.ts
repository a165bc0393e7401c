/** Cuts a query into the grammar's terminals. */
import { parseDuration, unquoteGo } from '@loki/go';
import type { LokiError } from '@loki/model';
import { parseRangeDuration } from './duration-text.ts';
import { parseByteSize } from './numbers.ts';
import { Scanner } from './scanner.ts';
import { fixedTokens, flags, functionTokens, vectorFunctions } from './tokens.ts';

/** A terminal with the value that its action receives: text, nanoseconds of a duration, bytes of a size. */
export interface Token {
  readonly name: string;
  readonly value: string | number | bigint;
  readonly line: number;
  readonly column: number;
}

// The blanks that the scanner skips. Comments are no blanks here.
const opensCall = /[ \t\r\n]*\(/y;
const opensGrouping = /[ \t\r\n]*(?:by|without)[ \t\r\n]*\(/iy;
const unitText = /[\p{L}\d.]*/uy;
const negativeDuration = /\d[\p{L}\d.]*/uy;
const vectorFunctionNames: ReadonlySet<string> = new Set(vectorFunctions);

/** Turns query text into tokens, one at a time: an error later in the text must not hide an earlier one. */
export class Lexer {
  readonly #scanner: Scanner;

  constructor(query: string) {
    this.#scanner = new Scanner(query);
  }

  /**
   * The error of a malformed number before the latest token. An error about the use of the number is reported
   * first.
   */
  get error(): LokiError | undefined {
    return this.#scanner.numberError;
  }

  next(): Token {
    const scanner = this.#scanner;
    let kind = scanner.scan();
    while (kind === 'other' && scanner.text === '#') {
      while (scanner.peek() >= 0 && scanner.peek() !== 10) scanner.next();
      kind = scanner.scan();
    }
    if (kind === 'end') return this.#token('$end', '');
    if (kind === 'number') return this.#number();
    if (kind === 'string' || kind === 'rawString') {
      const value = unquoteGo(scanner.text);
      return this.#token('STRING', value ?? scanner.fail('invalid syntax'));
    }
    const text = scanner.text;
    if (text === '[') return this.#range();
    if (text === '-') {
      const special = this.#flag() ?? this.#negativeDuration();
      if (special) return special;
    }
    const next = scanner.peek();
    if (kind === 'other' && next >= 0) {
      const double = text + String.fromCodePoint(next);
      if (fixedTokens.has(double)) {
        scanner.next();
        return this.#token(double, double);
      }
    }
    const word = text.toLowerCase();
    const functionToken = functionTokens.get(word);
    if (functionToken !== undefined && this.#isCall(word)) return this.#token(functionToken, word);
    if (fixedTokens.has(word)) return this.#token(word, word);
    return this.#token('IDENTIFIER', text);
  }

  #token(name: string, value: Token['value']): Token {
    return { name, value, line: this.#scanner.line, column: this.#scanner.column };
  }

  #isCall(word: string): boolean {
    return (
      this.#matches(opensCall) !== '' ||
      (vectorFunctionNames.has(word) && this.#matches(opensGrouping) !== '')
    );
  }

  /** The match of a sticky expression at the current place; it consumes nothing. */
  #matches(expression: RegExp): string {
    expression.lastIndex = this.#scanner.index;
    return expression.exec(this.#scanner.source)?.[0] ?? '';
  }

  #take(text: string): void {
    for (const _ of text) this.#scanner.next();
  }

  #number(): Token {
    const text = this.#scanner.text;
    const suffix = this.#matches(unitText);
    if (suffix !== '') {
      const durationNs = parseDuration(text + suffix);
      const bytes = durationNs === undefined ? parseByteSize(text + suffix) : undefined;
      if (durationNs !== undefined || bytes !== undefined) {
        this.#take(suffix);
        return durationNs === undefined ? this.#token('BYTES', bytes!) : this.#token('DURATION', durationNs);
      }
    }
    return this.#token('NUMBER', text);
  }

  #negativeDuration(): Token | undefined {
    const text = this.#matches(negativeDuration);
    const durationNs = /\p{L}/u.test(text) ? parseDuration(text) : undefined;
    if (durationNs === undefined) return undefined;
    this.#take(text);
    return this.#token('DURATION', -durationNs);
  }

  #flag(): Token | undefined {
    const { source, index } = this.#scanner;
    const flag = flags.find((name) => source.startsWith(name.slice(1), index));
    if (flag === undefined) return undefined;
    this.#take(flag.slice(1));
    return this.#token('FUNCTION_FLAG', flag);
  }

  #range(): Token {
    const scanner = this.#scanner;
    let text = '';
    for (;;) {
      const char = scanner.next();
      if (char < 0) scanner.fail("missing closing ']' in duration");
      if (char === 93) break;
      text += String.fromCodePoint(char);
    }
    const duration = parseRangeDuration(text);
    if (typeof duration === 'string') scanner.fail(duration);
    return this.#token('RANGE', duration);
  }
}
