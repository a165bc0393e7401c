/** Reads JSON values of expected types, with json-iterator's errors: for OTLP in JSON form. */
import { JsonCursor } from './json-iterator-cursor.ts';
import type { JsonRange } from './json-iterator-cursor.ts';
import { character, isDigit } from './json-iterator-tokens.ts';
import { NameCache } from './name-cache.ts';

/** Kind of the next value. */
type NextKind = 'string' | 'number' | 'other';

const quote = 0x22;
const colon = 0x3a;
const uint64Max = (1n << 64n) - 1n;

/** Names of fields and attributes, which repeat in each record. */
const names = new NameCache();

/**
 * Reads JSON value by value, of the types that the caller expects. Values of other types, and numbers that do
 * not fit, are refused in the words of json-iterator, which OpenTelemetry's own decoder uses.
 */
export class JsonReader {
  readonly #cursor: JsonCursor;

  constructor(bytes: Buffer) {
    this.#cursor = new JsonCursor(bytes);
  }

  /** Calls `read` for each field of an object, which must read or skip its value. `null` has none. */
  fields(read: (name: string) => void): void {
    for (let name = this.#nextField(); name !== ''; name = this.#nextField()) read(name);
  }

  /** Calls `read` for each item of an array, which must read it. `null` has none. */
  items(read: () => void): void {
    while (this.#hasItem()) read();
  }

  skip(): void {
    this.#cursor.range();
  }

  /** '' for `null`. */
  string(): string {
    return this.#cursor.text();
  }

  /** Like `string`, cached: for text that repeats, such as names. */
  name(): string {
    const cursor = this.#cursor;
    const start = cursor.plainText();
    return start < 0 ? cursor.text() : names.get(cursor.bytes, start, cursor.at - 1);
  }

  /** Range of text without escapes; undefined: another value, which the caller then reads. */
  plainRange(): JsonRange | undefined {
    const start = this.#cursor.plainText();
    return start < 0 ? undefined : { start, end: this.#cursor.at - 1 };
  }

  /** The bytes between quotes, for text without escapes. */
  plainString(): string {
    const cursor = this.#cursor;
    const byte = cursor.token();
    if (byte !== quote) {
      throw cursor.fault('ReadStringAsSlice', `expects " or n, but found ${character(byte)}`);
    }
    const end = cursor.bytes.indexOf(quote, cursor.at);
    const text = cursor.bytes.toString('utf8', cursor.at, end < 0 ? cursor.bytes.length : end);
    cursor.at = end < 0 ? cursor.bytes.length : end + 1;
    return text;
  }

  boolean(): boolean {
    const byte = this.#cursor.token();
    if (byte !== 0x74 && byte !== 0x66) this.fault('ReadBool', `expect t or f, but found ${character(byte)}`);
    this.#cursor.at--;
    this.#cursor.range();
    return byte === 0x74;
  }

  /** A number of `bits` bits without a sign, or text of one. */
  unsigned(bits: 32 | 64): bigint {
    const operation = `ReadUint${bits}`;
    const kind = this.#kind();
    if (kind === 'other') return this.fault(operation, 'unsupported value type');
    if (kind === 'number') return this.#digits(bits, this.#cursor.token());
    const shortNumber = bits === 64 ? this.#quotedDigits() : undefined;
    if (shortNumber !== undefined) return shortNumber;
    const text = this.string();
    if (!/^[0-9]+$/.test(text)) return this.#notParsed(operation, 'ParseUint', text);
    const value = boundedInteger(text);
    return value > (bits === 32 ? 0xffff_ffffn : uint64Max)
      ? this.#notParsed(operation, 'ParseUint', text, 'value out of range')
      : value;
  }

  /** The same with a sign. */
  signed(bits: 32 | 64): bigint {
    const operation = `ReadInt${bits}`;
    const kind = this.#kind();
    if (kind === 'other') return this.fault(operation, 'unsupported value type');
    if (kind === 'number') return this.#signedNumber(bits, operation);
    const text = this.string();
    if (!/^[+-]?[0-9]+$/.test(text)) return this.#notParsed(operation, 'ParseInt', text);
    const value = boundedInteger(text);
    return BigInt.asIntN(bits, value) === value
      ? value
      : this.#notParsed(operation, 'ParseInt', text, 'value out of range');
  }

  double(): number {
    const kind = this.#kind();
    if (kind === 'other') return this.fault('ReadUint64', 'unsupported value type');
    if (kind === 'number') {
      const { start, end } = this.#cursor.range();
      return Number(this.#cursor.bytes.toString('latin1', start, end));
    }
    const text = this.string();
    const special = /^([+-]?)(?:(nan)|inf(?:inity)?)$/i.exec(text);
    if (special) return special[2] ? Number.NaN : special[1] === '-' ? -Infinity : Infinity;
    if (!/^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(text)) {
      return this.#notParsed('ReadUint64', 'ParseFloat', text);
    }
    return Number(text);
  }

  /** A number, or its name as text. */
  enumValue(numberOf: (name: string) => number | undefined): number {
    const kind = this.#kind();
    if (kind === 'other') return this.fault('ReadEnumValue', 'unsupported value type');
    if (kind === 'number') return Number(this.signed(32));
    return numberOf(this.string()) ?? this.fault('ReadEnumValue', 'unknown string value');
  }

  fault(operation: string, message: string): never {
    throw this.#cursor.fault(operation, message);
  }

  /**
   * A text of digits that fit into 64 bits, the usual form of times; undefined: another value, which the
   * caller then reads.
   */
  #quotedDigits(): bigint | undefined {
    const cursor = this.#cursor;
    const { bytes } = cursor;
    const start = cursor.at + 1;
    let end = start;
    while (isDigit(bytes[end])) end++;
    if (bytes[end] !== quote || end === start || end - start > safeDigitsMax) return undefined;
    const middle = Math.max(start, end - 9);
    const upper = digitsOf(bytes, start, middle);
    const lower = digitsOf(bytes, middle, end);
    cursor.at = end + 1;
    return BigInt(upper) * 1_000_000_000n + BigInt(lower);
  }

  /** Reads the name of the next field and its colon; '' at the end of the object. */
  #nextField(): string {
    const cursor = this.#cursor;
    const byte = cursor.token();
    if (byte === 0x7d) return '';
    if (byte === 0x6e) {
      cursor.at--;
      cursor.range();
      return '';
    }
    if (byte === 0x7b) {
      const next = cursor.token();
      if (next === 0x7d) return '';
      if (next !== quote) this.fault('ReadObject', `expect " after {, but found ${character(next)}`);
      cursor.at--;
    } else if (byte !== 0x2c) {
      this.fault('ReadObject', `expect { or , or } or n, but found ${character(byte)}`);
    }
    const name = this.name();
    const after = cursor.token();
    if (after !== colon) {
      this.fault('ReadObject', `expect : after object field, but found ${character(after)}`);
    }
    return name;
  }

  #hasItem(): boolean {
    const cursor = this.#cursor;
    const byte = cursor.token();
    if (byte === 0x2c) return true;
    if (byte === 0x5d) return false;
    if (byte === 0x6e) {
      cursor.at--;
      cursor.range();
      return false;
    }
    if (byte !== 0x5b) this.fault('ReadArray', `expect [ or , or ] or n, but found ${character(byte)}`);
    const next = cursor.token();
    if (next === 0x5d) return false;
    if (next !== 0) cursor.at--;
    return true;
  }

  #kind(): NextKind {
    const cursor = this.#cursor;
    const byte = cursor.token();
    if (byte !== 0) cursor.at--;
    if (byte === quote) return 'string';
    return byte === 0x2d || isDigit(byte) ? 'number' : 'other';
  }

  #signedNumber(bits: 32 | 64, operation: string): bigint {
    const cursor = this.#cursor;
    const first = cursor.token();
    const isNegative = first === 0x2d;
    const size = this.#digits(bits, isNegative ? (cursor.bytes[cursor.at++] ?? 0) : first);
    const value = isNegative ? -size : size;
    return BigInt.asIntN(bits, value) === value ? value : this.fault(operation, `overflow: ${size}`);
  }

  /** Reads the digits of a number whose first byte is read; a zero is a number by itself. */
  #digits(bits: 32 | 64, first: number): bigint {
    const cursor = this.#cursor;
    const { bytes } = cursor;
    if (!isDigit(first)) return this.fault(`readUint${bits}`, 'unexpected character: \ufffd');
    let text = String.fromCharCode(first);
    if (first !== 0x30) while (isDigit(bytes[cursor.at])) text += String.fromCharCode(bytes[cursor.at++]);
    const value = boundedInteger(text);
    if (value > (bits === 32 ? 0xffff_ffffn : uint64Max)) this.fault(`readUint${bits}`, 'overflow');
    if (bytes[cursor.at] === 0x2e) this.fault('assertInteger', 'can not decode float as int');
    return value;
  }

  #notParsed(operation: string, parser: string, text: string, reason = 'invalid syntax'): never {
    return this.fault(operation, `strconv.${parser}: parsing ${JSON.stringify(text)}: ${reason}`);
  }
}

/** Any 19 digits are below 2^64. */
const safeDigitsMax = 19;

function digitsOf(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 10 + bytes[i] - 0x30;
  return value;
}

/** Longer digits fit no type here, and are slow to read as one number. */
const digitsMax = 100;

function boundedInteger(text: string): bigint {
  return BigInt(
    text.length > digitsMax
      ? `${text.startsWith('-') ? '-' : ''}${'9'.repeat(digitsMax)}`
      : text.replace(/^\+/, ''),
  );
}
