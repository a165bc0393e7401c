import { LokiError } from '@loki/model';

/** Objects and arrays may nest this deep: values are read by recursion, and no push has a use for more. */
const depthMax = 1000;

/** How much of the text around a fault its message shows. */
const nearBytes = 10;
const contextBytes = 50;

/** A JSON value. Whole numbers that a double cannot hold are bigints; objects keep repeated keys, in order. */
export type JsonValue = null | boolean | number | bigint | string | JsonArray | JsonObject;

export class JsonArray {
  readonly items: readonly JsonValue[];
  constructor(items: readonly JsonValue[]) {
    this.items = items;
  }
}

export class JsonObject {
  readonly fields: readonly (readonly [key: string, value: JsonValue])[];
  constructor(fields: readonly (readonly [key: string, value: JsonValue])[]) {
    this.fields = fields;
  }

  /** The last value given to `key`, undefined when there is none. */
  get(key: string): JsonValue | undefined {
    for (let i = this.fields.length - 1; i >= 0; i--) if (this.fields[i][0] === key) return this.fields[i][1];
    return undefined;
  }
}

/**
 * A reader of JSON text that says what is wrong in the words of the Go library json-iterator: operation, message,
 * position and the text around it. That is what agents print when a push is refused, and what people search for.
 */
export class JsonCursor {
  readonly bytes: Buffer;
  at = 0;
  #depth = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** The next byte that is not white space, consumed; 0 at the end. */
  token(): number {
    const bytes = this.bytes;
    while (this.at < bytes.length) {
      const byte = bytes[this.at++];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
    }
    return 0;
  }

  /** A fault at the current position. */
  fault(operation: string, message: string): LokiError {
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

  /** After `{` of an object or `null`: true when a first key follows. */
  objectStart(): boolean {
    const byte = this.token();
    if (byte === 0x7b) {
      const next = this.token();
      if (next === 0x22) {
        this.at--;
        this.#enter();
        return true;
      }
      if (next === 0x7d) return false;
      throw this.fault('readObjectStart', `expect " after {, but found ${character(next)}`);
    }
    if (byte === 0x6e) {
      this.#literal('ull');
      return false;
    }
    throw this.fault('readObjectStart', `expect { or n, but found ${character(byte)}`);
  }

  /** A key and its colon. */
  fieldName(): string {
    const byte = this.token();
    if (byte !== 0x22) throw this.fault('readFieldHash', `expect ", but found ${character(byte)}`);
    const name = this.#stringBody('readFieldHash', 'incomplete field name');
    const colon = this.token();
    if (colon !== 0x3a) throw this.fault('readFieldHash', `expect :, but found ${character(colon)}`);
    return name;
  }

  /** After a value of an object: true at its end. */
  objectEnd(): boolean {
    const byte = this.token();
    if (byte === 0x2c) return false;
    if (byte === 0x7d) {
      this.#depth--;
      return true;
    }
    throw this.fault('isObjectEnd', `object ended prematurely, unexpected char ${character(byte)}`);
  }

  /** Any value. Faults as when a parser skips what it does not know. */
  value(): JsonValue {
    const byte = this.token();
    switch (byte) {
      case 0x22:
        return this.#skippedString();
      case 0x6e:
        this.#literal('ull');
        return null;
      case 0x74:
        this.#literal('rue');
        return true;
      case 0x66:
        this.#literal('alse');
        return false;
      case 0x5b:
        return this.#array();
      case 0x7b:
        return this.#object();
      default:
        if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) return this.#number();
        throw this.fault('Skip', `do not know how to skip: ${byte}`);
    }
  }

  #object(): JsonObject {
    const fields: (readonly [string, JsonValue])[] = [];
    const first = this.token();
    if (first === 0x7d) return new JsonObject(fields);
    if (first !== 0x22) throw this.fault('ReadObjectCB', `expect " after {, but found ${character(first)}`);
    this.at--;
    this.#enter();
    for (;;) {
      const name = this.#name();
      const colon = this.token();
      if (colon !== 0x3a)
        throw this.fault('ReadObject', `expect : after object field, but found ${character(colon)}`);
      fields.push([name, this.value()]);
      const next = this.token();
      if (next === 0x2c) continue;
      if (next !== 0x7d) throw this.fault('ReadObjectCB', 'object not ended with }');
      this.#depth--;
      return new JsonObject(fields);
    }
  }

  #name(): string {
    const byte = this.token();
    if (byte === 0x22) return this.#stringBody('ReadString', undefined);
    if (byte === 0x6e) {
      this.#literal('ull');
      return '';
    }
    throw this.fault('ReadString', `expects " or n, but found ${character(byte)}`);
  }

  #array(): JsonArray {
    const items: JsonValue[] = [];
    if (this.token() === 0x5d) return new JsonArray(items);
    this.at--;
    this.#enter();
    for (;;) {
      items.push(this.value());
      const next = this.token();
      if (next === 0x2c) continue;
      if (next !== 0x5d) throw this.fault('ReadArrayCB', `expect ] in the end, but found ${character(next)}`);
      this.#depth--;
      return new JsonArray(items);
    }
  }

  #skippedString(): string {
    return this.#stringBody('trySkipString', undefined);
  }

  /** Up to the closing quote. Control characters are faults only before the first escape, as in json-iterator. */
  #stringBody(operation: string, endText: string | undefined): string {
    const bytes = this.bytes;
    const start = this.at;
    for (let i = start; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === 0x22) {
        this.at = i + 1;
        return bytes.toString('utf8', start, i);
      }
      if (byte === 0x5c) return this.#escapedString(start);
      if (byte < 0x20 && endText === undefined)
        throw this.fault(operation, `invalid control character found: ${byte}`);
    }
    this.at = bytes.length;
    if (endText !== undefined) throw this.fault(operation, endText);
    throw this.fault('readStringSlowPath', 'unexpected end of input');
  }

  #escapedString(start: number): string {
    const bytes = this.bytes;
    for (let i = start; i < bytes.length; i++) {
      if (bytes[i] === 0x22) {
        this.at = i + 1;
        return unescape(bytes.toString('utf8', start, i));
      }
      if (bytes[i] !== 0x5c) continue;
      i++;
      if (i >= bytes.length) break;
      if (bytes[i] === 0x75) {
        for (let digit = 1; digit <= 4; digit++) {
          if (i + digit >= bytes.length) break;
          if (!isHex(bytes[i + digit])) {
            this.at = i + digit + 1;
            throw this.fault('readU4', 'expects 0~9 or a~f, but found ' + character(bytes[i + digit]));
          }
        }
        i += 4;
      } else if (!isSimpleEscape(bytes[i])) {
        this.at = i + 1;
        throw this.fault('readEscapedChar', 'invalid escape char after \\');
      }
    }
    this.at = bytes.length;
    throw this.fault('readStringSlowPath', 'unexpected end of input');
  }

  #number(): number | bigint {
    const bytes = this.bytes;
    const start = this.at - 1;
    let end = start;
    while (end < bytes.length && isNumberByte(bytes[end])) end++;
    const text = bytes.toString('latin1', start, end);
    this.at = end;
    if (!/^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(text))
      throw this.fault('readFloat64', 'invalid number');
    const value = Number(text);
    return Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?[0-9]+$/.test(text)
      ? BigInt(text)
      : value;
  }

  #literal(rest: string): void {
    for (let i = 0; i < rest.length; i++) {
      if (this.bytes[this.at++] === rest.charCodeAt(i)) continue;
      this.at = Math.min(this.at, this.bytes.length);
      throw this.fault(rest.length === 3 ? 'skipThreeBytes' : 'skipFourBytes', `expect ${rest}`);
    }
  }

  #enter(): void {
    if (++this.#depth > depthMax) throw this.fault('incrementDepth', 'exceeded max depth');
  }
}

/** A byte as error texts show it. */
export function character(byte: number): string {
  return byte < 0x80 ? String.fromCharCode(byte) : '\ufffd';
}

/** JSON's escapes in text that is known to be well-formed. */
export function unescape(text: string): string {
  if (!text.includes('\\')) return text;
  return text
    .replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gsu, (_, hex: string | undefined, plain: string) =>
      hex === undefined ? (simpleEscapes.get(plain) ?? plain) : String.fromCharCode(Number.parseInt(hex, 16)),
    )
    .toWellFormed();
}

const simpleEscapes = new Map([
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

function isSimpleEscape(byte: number): boolean {
  return '"\\/bfnrt\''.includes(String.fromCharCode(byte));
}

function isHex(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function isNumberByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e ||
    (byte | 0x20) === 0x65
  );
}
