/** A growing buffer of JSON bytes, charged to a memory budget: step *respond* of a query. */
import type { MemoryBudget } from '@loki/engine';
import { goJsonString } from '@loki/go';

const escapes = new Map<number, Buffer>();
/** 1: the byte needs an escape in a JSON string. */
const special = new Uint8Array(256);
for (let byte = 0; byte < 0x80; byte++) {
  const char = String.fromCharCode(byte);
  const escaped = goJsonString(char).slice(1, -1);
  if (escaped === char) continue;
  special[byte] = 1;
  escapes.set(byte, Buffer.from(escaped));
}
/** First byte of U+2028 and U+2029, which Go escapes, and of other characters. */
const separatorStart = 0xe2;
special[separatorStart] = 1;

/** Most characters that one byte of a line becomes: \u0000. */
const escapedMax = 6;

/** Most bytes that one UTF-16 unit becomes in UTF-8. */
const utf8Max = 3;

/** Characters below which an upper estimate of the bytes is cheaper than counting them. */
const shortText = 1024;

type AnswerMemory = Pick<MemoryBudget, 'charge' | 'release'>;

/** Writes JSON as bytes: lines are copied into the answer without becoming strings. */
export class JsonWriter {
  #bytes: Buffer;
  #length = 0;
  readonly #memory: AnswerMemory | undefined;

  /** @param memory is charged with the buffer, for as long as its owner keeps it open */
  constructor(memory?: AnswerMemory, sizeHint = 4096) {
    this.#memory = memory;
    this.#bytes = this.#allocate(sizeHint);
  }

  /** Appends text that is JSON already. */
  json(text: string): void {
    this.#makeRoom(text.length < shortText ? text.length * utf8Max : Buffer.byteLength(text));
    this.#length += this.#bytes.write(text, this.#length);
  }

  /** Appends valid UTF-8 as a JSON string, escaped as Go does. */
  utf8(source: Uint8Array, start: number, end: number): void {
    this.#makeRoom((end - start) * escapedMax + 2);
    const out = this.#bytes;
    let at = this.#length;
    out[at++] = 0x22;
    for (let i = start; i < end; i++) {
      const byte = source[i];
      if (special[byte] === 0) {
        out[at++] = byte;
        continue;
      }
      const isSeparator =
        byte === separatorStart &&
        source[i + 1] === 0x80 &&
        (source[i + 2] === 0xa8 || source[i + 2] === 0xa9);
      if (byte === separatorStart && !isSeparator) {
        out[at++] = byte;
        continue;
      }
      if (isSeparator) {
        at += out.write(source[i + 2] === 0xa8 ? '\\u2028' : '\\u2029', at, 'latin1');
        i += 2;
        continue;
      }
      const escape = escapes.get(byte)!;
      for (let k = 0; k < escape.length; k++) out[at++] = escape[k];
    }
    out[at++] = 0x22;
    this.#length = at;
  }

  /** The written bytes; nothing may be written after. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #makeRoom(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = this.#allocate(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#memory?.release(this.#bytes.length);
    this.#bytes = grown;
  }

  #allocate(bytes: number): Buffer {
    this.#memory?.charge(bytes);
    return Buffer.allocUnsafe(bytes);
  }
}
