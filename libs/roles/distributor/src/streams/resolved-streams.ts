/**
 * Resolved streams in columns, found by the bytes of their label texts: step *validate* of a written line.
 */
import { parseLabels } from '@loki/logql';
import { freeMemory, Labels } from '@loki/model';
import type { ResolvedStream } from './resolve-stream.ts';

/** The bytes of a label text, in a scope: the tenant, and the form in which the text came. */
interface StreamKey {
  readonly scope: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly hash: number;
}

/** The parts of resolved streams that many have in common. */
type Shape = Omit<ResolvedStream, 'labels' | 'text' | 'placementHash' | 'hash'> & {
  readonly names: readonly string[];
};

/** Texts are stored in chunks, and an entry in one of them. */
const chunkBytes = 128 * 1024;
const entryBytesMax = chunkBytes / 2;
/**
 * Numbers of a row: hash, scope, shape, place of the texts, sizes of key and text, form of the text,
 * placement hash, and the two halves of the stream's hash.
 */
const fieldCount = 10;
const rowsAtStart = 16;
const indexMin = 32;
/** Texts with colliding hashes beyond this are not cached: clients choose them, and a search stays short. */
const stepsMax = 64;
const bytesPerShape = 512;

const [asAscii, asUtf8, asQuoted] = [0, 1, 2];

/**
 * Streams as rows of numbers, with the bytes of key and text beside each other: some 350 bytes for a usual
 * one, without an object. A stream that is found is made anew from them, which takes half a microsecond.
 */
export class ResolvedStreams {
  #size = 0;
  #rows = new Uint32Array(rowsAtStart * fieldCount);
  /** Open addressing by hash: row + 1; 0: free. */
  #index = new Int32Array(indexMin);
  readonly #chunks: Buffer[] = [];
  #chunkEnd = chunkBytes;
  readonly #shapes: Shape[] = [];
  readonly #shapeOf = new Map<string, number>();
  readonly #limitsNumbers = new Map<object, number>();
  #shapeBytes = 0;
  /** Two numbers of 32 bits as one of 64. */
  readonly #double = new Float64Array(1);
  readonly #words = new Uint32Array(this.#double.buffer);

  get size(): number {
    return this.#size;
  }

  /** Memory of all rows, texts and shapes. */
  get bytes(): number {
    const numbers = (this.#rows.length + this.#index.length) * 4;
    return numbers + this.#chunks.length * chunkBytes + this.#shapeBytes;
  }

  /** undefined: the stream is not cached, or was resolved under other limits. */
  get(key: StreamKey, limits: object): ResolvedStream | undefined {
    const place = this.#placeOf(key);
    const at = place < 0 ? -1 : (this.#index[place] - 1) * fieldCount;
    if (at < 0) return undefined;
    const rows = this.#rows;
    const shape = this.#shapes[rows[at + 2]];
    if (shape.limits !== limits) return undefined;
    const chunk = this.#chunks[Math.floor(rows[at + 3] / chunkBytes)];
    const start = (rows[at + 3] % chunkBytes) + rows[at + 4];
    const form = rows[at + 6];
    const text = chunk.toString(form === asAscii ? 'latin1' : 'utf8', start, start + rows[at + 5]);
    this.#words[0] = rows[at + 8];
    this.#words[1] = rows[at + 9];
    return {
      limits: shape.limits,
      labels: Labels.fromSorted(shape.names, valuesOf(text, shape.names, form), text),
      text,
      rejection: undefined,
      placementHash: rows[at + 7],
      hash: this.#double[0],
      level: shape.level,
      isInternal: shape.isInternal,
      policy: shape.policy,
      retentionMs: shape.retentionMs,
    };
  }

  /** Adds or replaces a stream that is not rejected, if it can be made anew exactly. */
  set(key: StreamKey, stream: ResolvedStream): void {
    const { labels, text, placementHash, hash, ...rest } = stream;
    const { bytes, start, end, scope } = key;
    const textBytes = Buffer.from(text);
    const size = end - start + textBytes.length;
    const form = text.includes('\\') ? asQuoted : textBytes.length === text.length ? asAscii : asUtf8;
    if (size > entryBytesMax || !isExact(stream, textBytes, form)) return;
    if ((this.#size + 1) * 2 > this.#index.length) this.#growIndex();
    const place = this.#placeOf(key);
    if (place < 0) return;
    if (this.#chunkEnd + size > chunkBytes) {
      this.#chunks.push(Buffer.allocUnsafeSlow(chunkBytes));
      this.#chunkEnd = 0;
    }
    const chunk = this.#chunks.at(-1)!;
    const at = (this.#chunks.length - 1) * chunkBytes + this.#chunkEnd;
    bytes.copy(chunk, this.#chunkEnd, start, end);
    textBytes.copy(chunk, this.#chunkEnd + end - start);
    this.#chunkEnd += size;
    if (this.#index[place] === 0) this.#index[place] = ++this.#size;
    const row = this.#index[place] - 1;
    if (this.#size * fieldCount > this.#rows.length) {
      const longer = new Uint32Array(Math.ceil((this.#size * 3) / 2) * fieldCount);
      longer.set(this.#rows);
      this.#rows = longer;
    }
    this.#double[0] = hash;
    const [firstWord, secondWord] = this.#words;
    const shape = this.#shape({ ...rest, names: labels.names });
    const sizes = [at, end - start, textBytes.length];
    this.#rows.set(
      [key.hash, scope, shape, ...sizes, form, placementHash, firstWord, secondWord],
      row * fieldCount,
    );
  }

  /** Frees the texts at once. Nothing can be found afterwards. */
  free(): void {
    this.#index = new Int32Array(indexMin);
    for (const chunk of this.#chunks) freeMemory(chunk);
    this.#chunks.length = 0;
  }

  #shape(shape: Shape): number {
    const { limits, names, level, isInternal, policy, retentionMs } = shape;
    let limitsNumber = this.#limitsNumbers.get(limits);
    if (limitsNumber === undefined) {
      this.#limitsNumbers.set(limits, (limitsNumber = this.#limitsNumbers.size));
    }
    const key = JSON.stringify([limitsNumber, names, level ?? 0, isInternal, policy, String(retentionMs)]);
    let number = this.#shapeOf.get(key);
    if (number === undefined) {
      // Texts of their own: one that was cut out of a push's labels keeps all of them in memory.
      const own = names.map((name) => Buffer.from(name).toString());
      const ownLevel = level === undefined ? undefined : Buffer.from(level).toString();
      number = this.#shapes.push({ ...shape, names: own, level: ownLevel }) - 1;
      this.#shapeOf.set(key, number);
      this.#shapeBytes += bytesPerShape + key.length * 3;
    }
    return number;
  }

  /** The place of a key in the index, or a free one; -1: too many keys have like hashes. */
  #placeOf({ scope, bytes, start, end, hash }: StreamKey): number {
    const mask = this.#index.length - 1;
    for (let step = 0; step < stepsMax; step++) {
      const place = (hash + step) & mask;
      const at = (this.#index[place] - 1) * fieldCount;
      if (at < 0) return place;
      const rows = this.#rows;
      if (rows[at] !== hash || rows[at + 1] !== scope || rows[at + 4] !== end - start) continue;
      const chunk = this.#chunks[Math.floor(rows[at + 3] / chunkBytes)];
      const from = rows[at + 3] % chunkBytes;
      if (chunk.compare(bytes, start, end, from, from + end - start) === 0) return place;
    }
    return -1;
  }

  #growIndex(): void {
    this.#index = new Int32Array(this.#index.length * 2);
    const mask = this.#index.length - 1;
    for (let row = 0; row < this.#size; row++) {
      let place = this.#rows[row * fieldCount] & mask;
      while (this.#index[place] !== 0) place = (place + 1) & mask;
      this.#index[place] = row + 1;
    }
  }
}

/** A hash of 32 bits over bytes[start .. end). */
export function hashOfBytes(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    hash = Math.imul((hash << 13) ^ (hash >>> 19) ^ word, 0x9e3779b1);
  }
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The values of labels, from their canonical text. */
function valuesOf(text: string, names: readonly string[], form: number): string[] {
  if (form === asQuoted) return parseLabels(text).map(([, value]) => value);
  const values: string[] = [];
  let at = 1;
  for (const name of names) {
    const start = at + name.length + 2;
    const end = text.indexOf('"', start);
    values.push(text.slice(start, end));
    at = end + 3;
  }
  return values;
}

/** Whether the text alone yields the stream again. */
function isExact({ labels, text }: ResolvedStream, textBytes: Buffer, form: number): boolean {
  if (form !== asAscii && textBytes.toString() !== text) return false;
  if (form === asQuoted && parseLabels(text).length !== labels.size) return false;
  const values = valuesOf(text, labels.names, form);
  return labels.names.every((name, i) => name.isWellFormed() && values[i] === labels.values[i]);
}
