import { isAscii } from 'node:buffer';
import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { WireTexts } from '@loki/proto';

/**
 * Columns travel as their memory, little-endian, which every machine that Node runs on in earnest is. Reading
 * makes views where the bytes happen to be aligned, and copies else.
 */
export function bytesOf(column: ArrayBufferView): Uint8Array {
  return new Uint8Array(column.buffer as ArrayBuffer, column.byteOffset, column.byteLength);
}

export function uint32Column(bytes: Uint8Array): Uint32Array {
  const { buffer, offset } = aligned(bytes, 4);
  return new Uint32Array(buffer, offset, bytes.length / 4);
}

export function int64Column(bytes: Uint8Array): BigInt64Array {
  const { buffer, offset } = aligned(bytes, 8);
  return new BigInt64Array(buffer, offset, bytes.length / 8);
}

export function float64Column(bytes: Uint8Array): Float64Array {
  const { buffer, offset } = aligned(bytes, 8);
  return new Float64Array(buffer, offset, bytes.length / 8);
}

function aligned(bytes: Uint8Array, width: number): { buffer: ArrayBuffer; offset: number } {
  if (bytes.length % width !== 0) throw malformed('a column ends within a value');
  if (bytes.byteOffset % width === 0) {
    return { buffer: bytes.buffer as ArrayBuffer, offset: bytes.byteOffset };
  }
  return { buffer: Uint8Array.from(bytes).buffer, offset: 0 };
}

/** @throws when the ends fall, or pass `length` */
export function checkEnds(ends: Uint32Array, length: number): void {
  let last = 0;
  for (let i = 0; i < ends.length; i++) {
    if (ends[i] < last) throw malformed('ends of a column fall');
    last = ends[i];
  }
  if (last > length) throw malformed('ends of a column pass its bytes');
}

/** Pairs as names and values in turn. */
export function flatPairs(pairs: readonly LabelPair[]): string[] {
  const flat: string[] = [];
  for (const [name, value] of pairs) flat.push(name, value);
  return flat;
}

export function pairsOf(flat: readonly string[]): LabelPair[] {
  if (flat.length % 2 !== 0) throw malformed('a name without its value');
  const pairs: LabelPair[] = [];
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i], flat[i + 1]]);
  return pairs;
}

/** Many texts as one: a hundred thousand strings in a message cost ten times as much. */
export function textsToWire(texts: readonly string[]): WireTexts {
  const joined = Buffer.from(texts.join(''), 'utf8');
  const lengths = Uint32Array.from(
    texts,
    isAscii(joined) ? ({ length }) => length : (text) => Buffer.byteLength(text),
  );
  // A text that ends within a pair of surrogates would join the next one's begin.
  const isCut = lengths.reduce((sum, length) => sum + length, 0) !== joined.length;
  return {
    lengths: bytesOf(lengths),
    joined: isCut ? Buffer.concat(texts.map((text) => Buffer.from(text))) : joined,
  };
}

export function textsFromWire({ lengths, joined }: WireTexts): string[] {
  const bytes = Buffer.from(joined.buffer, joined.byteOffset, joined.length);
  const ascii = isAscii(bytes) ? bytes.toString('latin1') : undefined;
  let at = 0;
  const texts: string[] = [];
  for (const length of uint32Column(lengths)) {
    if (at + length > bytes.length) throw malformed('texts pass their bytes');
    texts.push(ascii === undefined ? bytes.toString('utf8', at, at + length) : ascii.slice(at, at + length));
    at += length;
  }
  return texts;
}

/** A message that no peer of ours sends. */
export function malformed(what: string): LokiError {
  return new LokiError('internal', `a peer sent a malformed answer: ${what}`);
}
