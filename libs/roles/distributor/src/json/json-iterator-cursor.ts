/** A JSON reader with the error texts of the Go library json-iterator. */
import { LokiError } from '@loki/model';
import { treeOf, unescapeProven } from './json-value.ts';
import type { JsonValue } from './json-value.ts';

/** Depth of objects and arrays: they are read by recursion, and no real push nests deeper. */
const depthMax = 1000;

/** Bytes of text around a fault that its message shows. */
const nearBytes = 10;
const contextBytes = 50;

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;

/** The bytes of a value, without the white space before it; its quotes are included. */
export interface JsonRange {
  readonly start: number;
  readonly end: number;
}

/**
 * A reader of JSON that reports faults in the words of the Go library json-iterator: operation, message,
 * position and the text around it. Agents print this text when a push is refused, and people search for it.
 *
 * It checks that values are well-formed; their content is read from their bytes afterwards
 * (jsonparser-walk.ts, json-value.ts).
 */
export class JsonCursor {
  readonly bytes: Buffer;
  at = 0;
  readonly #cutText: string | undefined;
  #isAtEnd = false;
  #depth = 0;

  /** @param cutText the fault of a body that ends too soon: reported in place of any missing part */
  constructor(bytes: Buffer, cutText?: string) {
    this.bytes = bytes;
    this.#cutText = cutText;
  }

  /**
   * Consumes and returns the next byte that is not white space; 0 at the end, where white space stays unread.
   */
  token(): number {
    const bytes = this.bytes;
    for (let at = this.at; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
      this.at = at + 1;
      return byte;
    }
    this.#isAtEnd = true;
    return 0;
  }

  /** A fault at the current position. */
  fault(operation: string, message: string): LokiError {
    if (this.#isAtEnd && this.#cutText !== undefined) return new LokiError('badRequest', this.#cutText);
    const at = this.at;
    const peekStart = Math.max(0, at - nearBytes);
    const near = this.bytes.toString('utf8', peekStart, Math.min(this.bytes.length, at + nearBytes));
    const context = this.bytes.toString(
      'utf8',
      Math.max(0, at - contextBytes),
      Math.min(this.bytes.length, at + contextBytes),
    );
    return new LokiError(
      'badRequest',
      `${operation}: ${message}, error found in #${at - peekStart} byte of ...|${near}|..., bigger context ...|${context}|...`,
    );
  }

  /** Enters an object. False: `{}` or `null`. */
  objectStart(): boolean {
    const byte = this.token();
    if (byte === 0x7b) {
      const next = this.token();
      if (next === 0x7d) return false;
      this.#unread(next);
      this.#enter();
      return true;
    }
    if (byte !== 0x6e) throw this.fault('readObjectStart', `expect { or n, but found ${character(byte)}`);
    this.#literal('ull');
    return false;
  }

  /** Reads a key of an object and its colon. */
  fieldName(): string {
    const byte = this.token();
    if (byte !== quote) throw this.fault('readFieldHash', `expect ", but found ${character(byte)}`);
    const start = this.at;
    const bytes = this.bytes;
    let at = start;
    while (at < bytes.length && bytes[at] !== quote && bytes[at] !== backslash) at++;
    if (at >= bytes.length) {
      this.#isAtEnd = true;
      throw this.fault('readFieldHash', 'incomplete field name');
    }
    this.at = at;
    if (bytes[at] === backslash) this.#slowString();
    else this.at++;
    const name = bytes.toString('utf8', start, this.at - 1);
    const next = this.token();
    if (next !== colon) throw this.fault('readFieldHash', `expect :, but found ${character(next)}`);
    return unescapeProven(name);
  }

  /** After a value of an object: true at its end. */
  objectEnd(): boolean {
    const byte = this.token();
    if (byte === comma) return false;
    if (byte !== 0x7d) {
      throw this.fault('isObjectEnd', `object ended prematurely, unexpected char ${character(byte)}`);
    }
    this.#depth--;
    return true;
  }

  /** Reads the items of an array one by one; `null` has none. */
  items(readItem: () => void): void {
    const start = this.token();
    if (start === 0x6e) return this.#literal('ull');
    if (start !== 0x5b) throw this.fault('decode slice', `expect [ or n, but found ${character(start)}`);
    const first = this.token();
    if (first === 0x5d) return;
    this.#unread(first);
    let next;
    do {
      readItem();
      next = this.token();
    } while (next === comma);
    if (next !== 0x5d) throw this.fault('decode slice', `expect ], but found ${character(next)}`);
  }

  /** Text without its escapes; '' for `null`. */
  text(): string {
    const byte = this.token();
    if (byte === 0x6e) {
      this.#literal('ull');
      return '';
    }
    if (byte !== quote) throw this.fault('ReadString', `expects " or n, but found ${character(byte)}`);
    const start = this.at;
    this.#string('ReadString');
    return unescapeProven(this.bytes.toString('utf8', start, this.at - 1));
  }

  /**
   * Skips text without escapes; `at` is then behind its closing quote.
   *
   * @returns the start of the text; -1: any other value, of which nothing is read
   */
  plainText(): number {
    const { bytes, at } = this;
    if (this.token() === quote) {
      const start = this.at;
      let end = start;
      let byte = bytes[end];
      while (byte >= 0x20 && byte !== quote && byte !== backslash) byte = bytes[++end];
      if (byte === quote) {
        this.at = end + 1;
        return start;
      }
    }
    this.at = at;
    return -1;
  }

  /** Skips any value. */
  range(): JsonRange {
    this.#unread(this.token());
    const start = this.at;
    this.#skip();
    return { start, end: this.at };
  }

  /** Skips any value. */
  value(): JsonValue {
    const { start, end } = this.range();
    return treeOf(this.bytes, start, end);
  }

  #skip(): void {
    const byte = this.token();
    switch (byte) {
      case quote:
        return this.#string('trySkipString');
      case 0x6e:
        return this.#literal('ull');
      case 0x74:
        return this.#literal('rue');
      case 0x66:
        return this.#literal('alse');
      case 0x5b:
        return this.#array();
      case 0x7b:
        return this.#object();
      default:
        if (byte === 0x2d || isDigit(byte)) return this.#number(byte);
        throw this.fault('Skip', `do not know how to skip: ${byte}`);
    }
  }

  #object(): void {
    this.#enter();
    const first = this.token();
    if (first !== 0x7d) {
      if (first !== quote) {
        throw this.fault('ReadObjectCB', `expect " after {, but found ${character(first)}`);
      }
      this.at--;
      let next;
      do {
        this.#name();
        const byte = this.token();
        if (byte !== colon) {
          throw this.fault('ReadObject', `expect : after object field, but found ${character(byte)}`);
        }
        this.#skip();
        next = this.token();
      } while (next === comma);
      if (next !== 0x7d) throw this.fault('ReadObjectCB', 'object not ended with }');
    }
    this.#depth--;
  }

  #name(): void {
    const byte = this.token();
    if (byte === quote) return this.#string('ReadString');
    if (byte === 0x6e) return this.#literal('ull');
    throw this.fault('ReadString', `expects " or n, but found ${character(byte)}`);
  }

  #array(): void {
    this.#enter();
    const first = this.token();
    if (first !== 0x5d) {
      this.#unread(first);
      let next;
      do {
        this.#skip();
        next = this.token();
      } while (next === comma);
      if (next !== 0x5d) throw this.fault('ReadArrayCB', `expect ] in the end, but found ${character(next)}`);
    }
    this.#depth--;
  }

  /** Steps back before the byte that `token` returned; at the end there was none. */
  #unread(byte: number): void {
    if (byte !== 0) this.at--;
  }

  /**
   * Skips the remainder of a string whose opening quote is read. Control characters are faults only before
   * the first escape, as in json-iterator.
   */
  #string(operation: string): void {
    const bytes = this.bytes;
    for (let i = this.at; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === quote) {
        this.at = i + 1;
        return;
      }
      if (byte === backslash) return this.#slowString();
      if (byte < 0x20) throw this.fault(operation, `invalid control character found: ${byte}`);
    }
    this.#endOfInput();
  }

  #slowString(): void {
    const bytes = this.bytes;
    for (let i = this.at; i < bytes.length; i++) {
      if (bytes[i] === quote) {
        this.at = i + 1;
        return;
      }
      if (bytes[i] !== backslash) continue;
      i++;
      if (i >= bytes.length) break;
      if (bytes[i] === 0x75) {
        for (let digit = 1; digit <= 4 && i + digit < bytes.length; digit++) {
          if (isHex(bytes[i + digit])) continue;
          this.at = i + digit + 1;
          throw this.fault('readU4', `expects 0~9 or a~f, but found ${character(bytes[i + digit])}`);
        }
        i += 4;
      } else if (!isSimpleEscape(bytes[i])) {
        this.at = i + 1;
        throw this.fault('readEscapedChar', 'invalid escape char after \\');
      }
    }
    this.#endOfInput();
  }

  #endOfInput(): never {
    this.at = this.bytes.length;
    this.#isAtEnd = true;
    throw this.fault('readStringSlowPath', 'unexpected end of input');
  }

  /**
   * Skips a number whose first byte is read. json-iterator checks only that the digits are followed by the
   * end of a value; where they are not, it reads the number properly.
   */
  #number(first: number): void {
    const bytes = this.bytes;
    const start = this.at;
    if (first === 0x30 && isDigit(bytes[start])) {
      this.at--;
      throw this.fault('readFloat32', 'leading zero is invalid');
    }
    let hasPoint = false;
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at];
      if (isDigit(byte)) continue;
      if (byte === 0x2e) {
        if (hasPoint) throw this.fault('validateNumber', 'more than one dot found in number');
        if (at + 1 === bytes.length) break;
        if (!isDigit(bytes[at + 1])) throw this.fault('validateNumber', 'missing digit after dot');
        hasPoint = true;
        continue;
      }
      const isEnd = isSpace(byte) || byte === comma || byte === 0x5d || byte === 0x7d;
      if (!isEnd || at === start) break;
      this.at = at;
      return;
    }
    this.at = start - 1;
    this.#unusualNumber();
  }

  #unusualNumber(): void {
    const bytes = this.bytes;
    const start = this.at;
    let end = start;
    while (end < bytes.length && isNumberByte(bytes[end])) end++;
    const text = bytes.toString('latin1', start, end);
    this.at = end;
    this.#isAtEnd = end === bytes.length;
    // A point without digits before it is accepted.
    if (!/^-?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(text)) {
      throw this.fault('readNumberAsString', 'invalid number');
    }
  }

  #literal(suffix: string): void {
    for (let i = 0; i < suffix.length; i++) {
      if (this.bytes[this.at++] === suffix.charCodeAt(i)) continue;
      this.#isAtEnd = this.at > this.bytes.length;
      this.at = Math.min(this.at, this.bytes.length);
      throw this.fault(suffix.length === 3 ? 'skipThreeBytes' : 'skipFourBytes', `expect ${suffix}`);
    }
  }

  #enter(): void {
    if (++this.#depth > depthMax) throw this.fault('incrementDepth', 'exceeded max depth');
  }
}

/** Go's decoders prefix a fault with the type that they decode. */
export function within(prefix: string, decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    if (!(error instanceof LokiError)) throw error;
    throw new LokiError(error.code, prefix + error.message, { cause: error });
  }
}

/** A byte as error texts show it. */
export function character(byte: number): string {
  return byte < 0x80 ? String.fromCharCode(byte) : '\ufffd';
}

function isSimpleEscape(byte: number): boolean {
  return '"\\/bfnrt'.includes(String.fromCharCode(byte));
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isNumberByte(byte: number): boolean {
  return isDigit(byte) || byte === 0x2b || byte === 0x2d || byte === 0x2e || (byte | 0x20) === 0x65;
}
