/** Packs label lists into few buffers, for their way between threads. */
import type { LabelPair } from '@loki/model';

/** Label lists as typed arrays. */
export interface PackedLabels {
  /** Number of pairs of each list. */
  readonly pairCounts: Uint32Array;
  /**
   * For each pair the index of its name in `commonNames`, plus one; 0: the name precedes the value in a
   * chunk.
   */
  readonly names: Uint32Array;
  readonly commonNames: readonly string[];
  /** Characters of each text in a chunk. */
  readonly lengths: Uint32Array;
  readonly chunks: readonly TextChunk[];
}

/** Complete texts, one after another. */
interface TextChunk {
  readonly bytes: Uint8Array;
  readonly encoding: 'latin1' | 'utf16le';
}

/** Most common names. Queries have few label names, unless lines contain arbitrary ones. */
const commonNamesMax = 1024;
/** Target of characters per chunk: a text of a chunk keeps all of it in memory. */
const chunkChars = 1 << 14;

export function packLabels(lists: readonly (readonly LabelPair[])[]): PackedLabels {
  let pairCount = 0;
  for (const list of lists) pairCount += list.length;
  const names = new Uint32Array(pairCount);
  const lengths = new Uint32Array(2 * pairCount);
  const places = new Map<string, number>();
  const chunks = new ChunkWriter();
  let pair = 0;
  let text = 0;
  const write = (part: string): void => {
    lengths[text++] = part.length;
    chunks.add(part);
  };
  for (const list of lists) {
    for (const [name, value] of list) {
      let place = places.get(name) ?? 0;
      if (place === 0 && places.size < commonNamesMax) places.set(name, (place = places.size + 1));
      names[pair++] = place;
      if (place === 0) write(name);
      write(value);
    }
  }
  return {
    pairCounts: Uint32Array.from(lists, (list) => list.length),
    names,
    commonNames: [...places.keys()],
    lengths: lengths.slice(0, text),
    chunks: chunks.finish(),
  };
}

class ChunkWriter {
  readonly #chunks: TextChunk[] = [];
  #parts: string[] = [];
  #chars = 0;

  add(text: string): void {
    this.#parts.push(text);
    this.#chars += text.length;
    if (this.#chars >= chunkChars) this.#close();
  }

  finish(): readonly TextChunk[] {
    if (this.#chars > 0) this.#close();
    return this.#chunks;
  }

  #close(): void {
    const text = this.#parts.join('');
    const encoding = isLatin1(text) ? 'latin1' : 'utf16le';
    // Not from Buffer's pool, because a pooled buffer cannot be moved.
    const bytes = Buffer.allocUnsafeSlow(encoding === 'latin1' ? text.length : 2 * text.length);
    bytes.write(text, encoding);
    this.#chunks.push({ bytes, encoding });
    this.#parts = [];
    this.#chars = 0;
  }
}

function isLatin1(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- all characters of one byte
  return !/[^\u0000-\u00ff]/.test(text);
}

/** Unpacks lists in the order in which they were packed. */
export class PackedLabelsReader {
  readonly #packed: PackedLabels;
  #chunk = 0;
  #text = '';
  #at = 0;
  #pair = 0;
  #length = 0;

  constructor(packed: PackedLabels) {
    this.#packed = packed;
  }

  /** The next list, with this number of pairs. */
  next(pairs: number): readonly LabelPair[] {
    const { names, commonNames } = this.#packed;
    const list: LabelPair[] = [];
    for (let i = 0; i < pairs; i++) {
      const place = names[this.#pair++];
      const name = place === 0 ? this.#read() : commonNames[place - 1];
      list.push([name, this.#read()]);
    }
    return list;
  }

  #read(): string {
    const length = this.#packed.lengths[this.#length++];
    if (length === 0) return '';
    if (this.#at === this.#text.length) {
      const { bytes, encoding } = this.#packed.chunks[this.#chunk++];
      this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(encoding);
      this.#at = 0;
    }
    return this.#text.slice(this.#at, (this.#at += length));
  }
}
