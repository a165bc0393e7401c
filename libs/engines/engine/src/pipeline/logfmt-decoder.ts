/** Decodes logfmt lines as the package go-logfmt does. */
import { isUtf8 } from 'node:buffer';
import { unescapeJson } from '@loki/go';
import { utf8Text } from '../common/byte-text.ts';

const equals = 0x3d;
const quote = 0x22;
const backslash = 0x5c;
const space = 0x20;

/**
 * Reads the pairs of a logfmt line without creating strings: after `next()` the key is
 * bytes[keyStart..keyEnd) and the value bytes[valueStart..valueEnd), or `quotedValue` if it had escapes.
 * Accepted lines and error positions are those of the package go-logfmt.
 */
export class LogfmtDecoder {
  bytes!: Buffer;
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  /** The value if it was quoted with escapes, else undefined. */
  quotedValue: string | undefined;
  /** The error of the pair at which `next` stopped; '' at the end of the line. */
  failure = '';
  #start = 0;
  #end = 0;
  #at = 0;

  reset(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.failure = '';
    this.#start = start;
    this.#end = end;
    this.#at = start;
  }

  /** Moves to the next pair. False at the end of the line or at a bad pair (`failure`). */
  next(): boolean {
    const bytes = this.bytes;
    const end = this.#end;
    let at = this.#at;
    while (at < end && bytes[at] <= space) at++;
    this.#at = at;
    if (at >= end) return false;
    this.keyStart = at;
    this.valueStart = this.valueEnd = 0;
    this.quotedValue = undefined;
    let allBits = 0;
    while (at < end) {
      const byte = bytes[at];
      if (byte === equals || byte === quote || byte <= space) break;
      allBits |= byte;
      at++;
    }
    this.keyEnd = this.#at = at;
    if (at < end && bytes[at] === quote) return this.#unexpected();
    if (at < end && bytes[at] === equals && at === this.keyStart) return this.#unexpected();
    if (allBits >= 0x80 && !isUtf8(bytes.subarray(this.keyStart, at))) return this.#fail('invalid key');
    if (at >= end || bytes[at] <= space) return true;
    this.#at = at + 1;
    return this.#value();
  }

  /**
   * Moves behind `key` and its `=` if the next pair begins with exactly these; else the decoder stays.
   * `value` or `skipValue` follows.
   */
  moveBehind(key: Buffer): boolean {
    const bytes = this.bytes;
    let at = this.#at;
    while (at < this.#end && bytes[at] <= space) at++;
    const equalsAt = at + key.length;
    if (equalsAt >= this.#end || bytes[equalsAt] !== equals) return false;
    for (let i = 0; i < key.length; i++) if (bytes[at + i] !== key[i]) return false;
    this.#at = equalsAt + 1;
    return true;
  }

  /** The value of the pair whose key was passed by `moveBehind`. False: a bad pair (`failure`). */
  value(): boolean {
    this.valueStart = this.valueEnd = 0;
    this.quotedValue = undefined;
    return this.#value();
  }

  /**
   * Skips the value of a pair that is not needed, whether it is a bad one or not. False: it has escapes,
   * which only `value` reads; the decoder stays.
   */
  skipValue(): boolean {
    const bytes = this.bytes;
    const end = this.#end;
    let at = this.#at;
    if (at < end && bytes[at] === quote) {
      for (at++; at < end && bytes[at] !== quote; at++) if (bytes[at] === backslash) return false;
      this.#at = Math.min(at + 1, end);
      return true;
    }
    while (at < end && bytes[at] > space) at++;
    this.#at = at;
    return true;
  }

  /** Skips a bad pair, up to the next blank. */
  skipBadPair(): void {
    this.failure = '';
    while (this.#at < this.#end && this.bytes[this.#at] > space) this.#at++;
  }

  #value(): boolean {
    const bytes = this.bytes;
    const end = this.#end;
    let at = this.#at;
    if (at >= end || bytes[at] <= space) return true;
    if (bytes[at] === quote) return this.#quoted();
    const start = at;
    while (at < end) {
      const byte = bytes[at];
      if (byte <= space) break;
      if (byte === equals || byte === quote) {
        this.#at = at;
        return this.#unexpected();
      }
      at++;
    }
    this.#at = at;
    this.valueStart = start;
    this.valueEnd = at;
    return true;
  }

  #quoted(): boolean {
    const bytes = this.bytes;
    const start = this.#at + 1;
    let isEscaped = false;
    for (let at = start; at < this.#end; at++) {
      const byte = bytes[at];
      if (byte === backslash) {
        isEscaped = true;
        at++;
      } else if (byte === quote) {
        this.#at = at + 1;
        this.valueStart = start;
        this.valueEnd = at;
        if (!isEscaped) return true;
        // JSON's escapes and `\'`; unescaped control characters are allowed.
        this.quotedValue = unescapeJson(utf8Text(bytes, start, at), "'");
        return this.quotedValue !== undefined || this.#fail('invalid quoted value');
      }
    }
    this.#at = this.#end;
    return this.#fail('unterminated quoted value');
  }

  #unexpected(): boolean {
    const byte = this.bytes[this.#at];
    return this.#fail(`unexpected ${byte === quote ? `'"'` : `'='`}`);
  }

  #fail(problem: string): boolean {
    this.failure = `logfmt syntax error at pos ${this.#at - this.#start + 1} : ${problem}`;
    return false;
  }
}
