/** A JSON reader with the error texts of the Go library json-iterator. */
import { LokiError } from '@loki/model';
import { JsonTokens, backslash, character, colon, comma, isDigit, quote } from './json-iterator-tokens.ts';
import { treeOf, unescapeProven } from './json-value.ts';
import type { JsonValue } from './json-value.ts';

/** The bytes of a value, without the white space before it; its quotes are included. */
export interface JsonRange {
  readonly start: number;
  readonly end: number;
}

/**
 * A reader of JSON values with the faults of json-iterator. It checks that values are well-formed; their
 * content is read from their bytes afterwards (jsonparser-walk.ts, json-value.ts).
 */
export class JsonCursor extends JsonTokens {
  /** Enters an object. False: `{}` or `null`. */
  objectStart(): boolean {
    const byte = this.token();
    if (byte === 0x7b) {
      const next = this.token();
      if (next === 0x7d) return false;
      this.unread(next);
      this.enter();
      return true;
    }
    if (byte !== 0x6e) throw this.fault('readObjectStart', `expect { or n, but found ${character(byte)}`);
    this.literal('ull');
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
      this.isAtEnd = true;
      throw this.fault('readFieldHash', 'incomplete field name');
    }
    this.at = at;
    if (bytes[at] === backslash) this.slowString();
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
    this.depth--;
    return true;
  }

  /** Reads the items of an array one by one; `null` has none. */
  items(readItem: () => void): void {
    const start = this.token();
    if (start === 0x6e) return this.literal('ull');
    if (start !== 0x5b) throw this.fault('decode slice', `expect [ or n, but found ${character(start)}`);
    const first = this.token();
    if (first === 0x5d) return;
    this.unread(first);
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
      this.literal('ull');
      return '';
    }
    if (byte !== quote) throw this.fault('ReadString', `expects " or n, but found ${character(byte)}`);
    const start = this.at;
    this.string('ReadString');
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
    this.unread(this.token());
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
        return this.string('trySkipString');
      case 0x6e:
        return this.literal('ull');
      case 0x74:
        return this.literal('rue');
      case 0x66:
        return this.literal('alse');
      case 0x5b:
        return this.#array();
      case 0x7b:
        return this.#object();
      default:
        if (byte === 0x2d || isDigit(byte)) return this.number(byte);
        throw this.fault('Skip', `do not know how to skip: ${byte}`);
    }
  }

  #object(): void {
    this.enter();
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
    this.depth--;
  }

  #name(): void {
    const byte = this.token();
    if (byte === quote) return this.string('ReadString');
    if (byte === 0x6e) return this.literal('ull');
    throw this.fault('ReadString', `expects " or n, but found ${character(byte)}`);
  }

  #array(): void {
    this.enter();
    const first = this.token();
    if (first !== 0x5d) {
      this.unread(first);
      let next;
      do {
        this.#skip();
        next = this.token();
      } while (next === comma);
      if (next !== 0x5d) throw this.fault('ReadArrayCB', `expect ] in the end, but found ${character(next)}`);
    }
    this.depth--;
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
