/** Columns, pairs and texts in messages between processes. */
import { isAscii } from 'node:buffer';
import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import type { WireTexts } from '@loki/proto';

/**
 * A column travels as its memory, little-endian: all supported machines are. Reading creates a view if the
 * bytes are aligned, else a copy.
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

/** @throws when the ends are not ascending or exceed `length` */
export function checkEnds(ends: Uint32Array, length: number): void {
  let last = 0;
  for (let i = 0; i < ends.length; i++) {
    if (ends[i] < last) throw malformed('ends of a column fall');
    last = ends[i];
  }
  if (last > length) throw malformed('ends of a column pass its bytes');
}

/** Pairs as a list in which names and values alternate. */
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

/** Joins many texts into one: a message with a hundred thousand strings costs ten times as much. */
export function textsToWire(texts: readonly string[]): WireTexts {
  const allText = Buffer.from(texts.join(''), 'utf8');
  const lengths = Uint32Array.from(
    texts,
    isAscii(allText) ? ({ length }) => length : (text) => Buffer.byteLength(text),
  );
  // A text that ends within a surrogate pair would join with the start of the next one.
  const isCut = lengths.reduce((sum, length) => sum + length, 0) !== allText.length;
  return {
    lengths: bytesOf(lengths),
    joined: isCut ? Buffer.concat(texts.map((text) => Buffer.from(text))) : allText,
  };
}

export function textsFromWire({ lengths, joined: allText }: WireTexts): string[] {
  const bytes = Buffer.from(allText.buffer, allText.byteOffset, allText.length);
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

/** The error for a message that no correct peer sends. */
export function malformed(problem: string): LokiError {
  return new LokiError('internal', `a peer sent a malformed answer: ${problem}`);
}
