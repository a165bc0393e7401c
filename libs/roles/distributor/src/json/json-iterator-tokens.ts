/** Tokens of JSON, with the error texts of the Go library json-iterator: step *decode* of a written line. */
import { LokiError } from '@loki/model';

/** Depth of objects and arrays: they are read by recursion, and no real push nests deeper. */
const depthMax = 1000;

/** Bytes of text around a fault that its message shows. */
const nearBytes = 10;
const contextBytes = 50;

export const quote = 0x22;
export const comma = 0x2c;
export const colon = 0x3a;
export const backslash = 0x5c;

/**
 * Reads tokens of JSON, and reports faults in the words of json-iterator: operation, message, position and
 * the text around it. Agents print this text when a push is refused, and people search for it.
 */
export class JsonTokens {
  readonly bytes: Buffer;
  at = 0;
  readonly #cutText: string | undefined;
  protected isAtEnd = false;
  protected depth = 0;

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
    this.isAtEnd = true;
    return 0;
  }

  /** A fault at the current position. */
  fault(operation: string, message: string): LokiError {
    if (this.isAtEnd && this.#cutText !== undefined) return new LokiError('badRequest', this.#cutText);
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

  /** Steps back before the byte that `token` returned; at the end there was none. */
  protected unread(byte: number): void {
    if (byte !== 0) this.at--;
  }

  /**
   * Skips the remainder of a string whose opening quote is read. Control characters are faults only before
   * the first escape, as in json-iterator.
   */
  protected string(operation: string): void {
    const bytes = this.bytes;
    for (let i = this.at; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === quote) {
        this.at = i + 1;
        return;
      }
      if (byte === backslash) return this.slowString();
      if (byte < 0x20) throw this.fault(operation, `invalid control character found: ${byte}`);
    }
    this.#endOfInput();
  }

  protected slowString(): void {
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
    this.isAtEnd = true;
    throw this.fault('readStringSlowPath', 'unexpected end of input');
  }

  /**
   * Skips a number whose first byte is read. json-iterator checks only that the digits are followed by the
   * end of a value; where they are not, it reads the number properly.
   */
  protected number(first: number): void {
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
    this.isAtEnd = end === bytes.length;
    // A point without digits before it is accepted.
    if (!/^-?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(text)) {
      throw this.fault('readNumberAsString', 'invalid number');
    }
  }

  protected literal(suffix: string): void {
    for (let i = 0; i < suffix.length; i++) {
      if (this.bytes[this.at++] === suffix.charCodeAt(i)) continue;
      this.isAtEnd = this.at > this.bytes.length;
      this.at = Math.min(this.at, this.bytes.length);
      throw this.fault(suffix.length === 3 ? 'skipThreeBytes' : 'skipFourBytes', `expect ${suffix}`);
    }
  }

  protected enter(): void {
    if (++this.depth > depthMax) throw this.fault('incrementDepth', 'exceeded max depth');
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
