/** The two commands of memcached that are needed: `get` and `set`. */
import { createHash } from 'node:crypto';
import { mib } from '@loki/model';

/** A key that memcached accepts: 1 to 250 bytes without spaces and control characters. */
const keyBytesMax = 250;
/** Prefix of the substitute for a key that memcached refuses; no key may begin with it. */
const hashedMark = '#';

/**
 * The name of a key on servers: the key itself, or its SHA-256 where memcached would refuse it. Distinct keys
 * stay distinct.
 */
export function memcachedKey(key: string): string {
  const isPlain = key.length <= keyBytesMax && /^[\x21-\x7e]+$/.test(key) && !key.startsWith(hashedMark);
  return isPlain ? key : hashedMark + createHash('sha256').update(key).digest('base64url');
}

/** Above this memcached reads a time to live as a Unix time. */
const relativeSecondsMax = 30 * 24 * 3600;

/** Memcached's expiration time, in whole seconds and rounded up; 0: does not expire. */
export function expirationOf(ttlMs: number, nowMs: number): number {
  if (ttlMs <= 0) return 0;
  const seconds = Math.ceil(ttlMs / 1000);
  return seconds <= relativeSecondsMax ? seconds : Math.floor(nowMs / 1000) + seconds;
}

export function getCommand(keys: readonly string[]): Buffer {
  return Buffer.from(`get ${keys.join(' ')}\r\n`, 'latin1');
}

const crlf = Buffer.from('\r\n');

export function setCommand(key: string, value: Uint8Array, expiration: number): Buffer {
  const head = Buffer.from(`set ${key} 0 ${expiration} ${value.length}\r\n`, 'latin1');
  return Buffer.concat([head, value, crlf]);
}

/** The server's answer breaks the protocol: no further byte of this connection can be trusted. */
export class ProtocolFault extends Error {}

/** The server refused the request: the connection stays usable. */
export class ServerRefusal extends Error {}

/** Reads the answer to one request as it comes. */
export interface AnswerReader<T> {
  /**
   * @returns the complete answer; undefined: more bytes are needed
   * @throws ProtocolFault, ServerRefusal
   */
  take(chunk: Buffer): { readonly answer: T } | undefined;
}

/** `VALUE`, a key, flags, length and a unique number: no line of an answer is longer. */
const lineBytesMax = 512;

/** Divides the stream into lines and blocks of known length; holds no more than the expected bytes. */
class AnswerBytes {
  #chunks: Buffer[] = [];
  #bufferedBytes = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** The next line without its end; undefined: incomplete. */
  line(): string | undefined {
    const bytes = this.#joinChunks();
    const at = bytes.indexOf('\r\n');
    if (at > lineBytesMax || (at < 0 && bytes.length > lineBytesMax)) {
      throw new ProtocolFault('a line without end');
    }
    if (at < 0) return undefined;
    this.#setRemainder(bytes.subarray(at + 2));
    return bytes.toString('latin1', 0, at);
  }

  /** The next `length` bytes, which a line end must follow; undefined: incomplete. */
  block(length: number): Buffer | undefined {
    if (this.#bufferedBytes < length + 2) return undefined;
    const bytes = this.#joinChunks();
    if (bytes[length] !== 0x0d || bytes[length + 1] !== 0x0a) {
      throw new ProtocolFault('a value of another length than announced');
    }
    this.#setRemainder(bytes.subarray(length + 2));
    return bytes.subarray(0, length);
  }

  #joinChunks(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  #setRemainder(bytes: Buffer): void {
    this.#chunks = bytes.length > 0 ? [bytes] : [];
    this.#bufferedBytes = bytes.length;
  }
}

/** Values of one answer together. */
const answerBytesMax = 64 * mib;

/** The answer to `get`: values by key. Refuses keys that were not requested, and repeated ones. */
export class GetReader implements AnswerReader<ReadonlyMap<string, Buffer>> {
  readonly #requestedKeys: ReadonlySet<string>;
  readonly #valueBytesMax: number;
  readonly #bytes = new AnswerBytes();
  readonly #answeredKeys = new Set<string>();
  readonly #values = new Map<string, Buffer>();
  #announcedBytes = 0;
  #expected: { readonly key: string; readonly flags: string; readonly length: number } | undefined;

  constructor(keys: readonly string[], valueBytesMax: number) {
    this.#requestedKeys = new Set(keys);
    this.#valueBytesMax = valueBytesMax;
  }

  take(chunk: Buffer): { readonly answer: ReadonlyMap<string, Buffer> } | undefined {
    this.#bytes.push(chunk);
    for (;;) {
      if (this.#expected) {
        const { key, flags, length } = this.#expected;
        const value = this.#bytes.block(length);
        if (!value) return undefined;
        this.#expected = undefined;
        // This program writes no flags: a value with flags belongs to another program.
        if (flags === '0') this.#values.set(key, value);
        continue;
      }
      const line = this.#bytes.line();
      if (line === undefined) return undefined;
      if (line === 'END') {
        if (this.#bytes.bufferedBytes > 0) {
          throw new ProtocolFault('an answer with more values than requested');
        }
        return { answer: this.#values };
      }
      this.#expected = this.#announced(line);
    }
  }

  #announced(line: string): { readonly key: string; readonly flags: string; readonly length: number } {
    const match = /^VALUE (\S{1,250}) (\d{1,10}) (\d{1,10})(?: \d{1,20})?$/.exec(line);
    if (!match) throw failureOf(line, this.#bytes.bufferedBytes);
    const [, key, flags, digits] = match;
    if (!this.#requestedKeys.has(key) || this.#answeredKeys.has(key)) {
      throw new ProtocolFault('a value of another key');
    }
    this.#answeredKeys.add(key);
    const length = Number(digits);
    this.#announcedBytes += length;
    if (length > this.#valueBytesMax || this.#announcedBytes > answerBytesMax) {
      throw new ProtocolFault('more bytes than are ever kept');
    }
    return { key, flags, length };
  }
}

/** The answer to `set`: whether the value is stored now. */
export class SetReader implements AnswerReader<boolean> {
  readonly #bytes = new AnswerBytes();

  take(chunk: Buffer): { readonly answer: boolean } | undefined {
    this.#bytes.push(chunk);
    const line = this.#bytes.line();
    if (line === undefined) return undefined;
    if (this.#bytes.bufferedBytes > 0) throw new ProtocolFault('an answer with more values than requested');
    if (line !== 'STORED' && line !== 'NOT_STORED') throw failureOf(line, 0);
    return { answer: line === 'STORED' };
  }
}

/** After `ERROR` or `CLIENT_ERROR` the server may read a value's bytes as commands. */
function failureOf(line: string, bytesBehind: number): Error {
  const safeText = line.slice(0, 100).replace(/[^\x20-\x7e]/g, '_');
  return line.startsWith('SERVER_ERROR') && bytesBehind === 0
    ? new ServerRefusal(safeText)
    : new ProtocolFault(safeText || 'an empty line');
}
