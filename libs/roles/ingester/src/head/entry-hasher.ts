/** Keyed hashes of entries, to find equal ones. */
import type { Block } from '@loki/segment';
import { restNsAt, usAt } from '../common/time.ts';
import type { UsBase } from '../common/time.ts';

/** Hashes of the names and values of a block's structured metadata, each computed at its first use. */
interface MetadataHashes {
  readonly names: readonly number[];
  readonly values: readonly Float64Array[];
}

/**
 * Hashes of entries, to find equal ones: HalfSipHash-1-3, 32 bits. It has a key because clients choose the
 * entries: with a hash that clients can compute, a push of lines that all collide costs n².
 */
export class EntryHasher {
  readonly #k0: number;
  readonly #k1: number;
  readonly #word = new Uint8Array(4);
  readonly #metadata = new WeakMap<Block, MetadataHashes>();
  /** One hash for each row of a block, NaN before its first use: a row is compared with several runs. */
  readonly #entries = new WeakMap<Block, Float64Array<ArrayBuffer>>();
  #lastBlock: Block | undefined;
  #lastEntries = new Float64Array(0);

  /** @param key 8 random bytes */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, 8);
    this.#k0 = view.getInt32(0, true);
    this.#k1 = view.getInt32(4, true);
  }

  /** Hash of a row's time alone. */
  ofTime(base: UsBase, relativeNs: number): number {
    const us = usAt(base, relativeNs);
    // 21 bits of microseconds above the first 32, and 10 bits of nanoseconds.
    const high = (Math.floor(us / 2 ** 32) << 10) | restNsAt(base, relativeNs);
    return this.#ofPair((us % 2 ** 32) | 0, high);
  }

  /** Hash of time, line and structured metadata. */
  ofEntry(timeHash: number, block: Block, row: number): number {
    if (block !== this.#lastBlock) {
      let entries = this.#entries.get(block);
      if (!entries) {
        entries = new Float64Array(block.info.rowCount).fill(Number.NaN);
        this.#entries.set(block, entries);
      }
      this.#lastBlock = block;
      this.#lastEntries = entries;
    }
    const entries = this.#lastEntries;
    if (Number.isNaN(entries[row])) entries[row] = this.#hashOf(timeHash, block, row);
    return entries[row];
  }

  #hashOf(timeHash: number, block: Block, row: number): number {
    const ends = block.lineEnds();
    const hash = this.#ofBytes(timeHash, block.lines(), row === 0 ? 0 : ends[row - 1], ends[row]);
    return block.info.metadataNames.length === 0 ? hash : this.#withMetadata(hash, block, row);
  }

  /** Hash of two texts, the first of which has no NUL; another one for each `seed`. */
  ofTexts(seed: number, first: string, second: string): number {
    const bytes = Buffer.from(`${first}\0${second}`);
    return this.#ofBytes(seed, bytes, 0, bytes.length);
  }

  #withMetadata(lineHash: number, block: Block, row: number): number {
    const { columns, starts, column, code } = block.rowMetadata();
    const { names, values } = this.#metadataHashes(block);
    let hash = lineHash;
    for (let cell = starts[row]; cell < starts[row + 1]; cell++) {
      const hashes = values[column[cell]];
      const at = code[cell] - 1;
      if (Number.isNaN(hashes[at])) hashes[at] = this.#ofText(columns[column[cell]].values[at]);
      hash = this.#ofPair(this.#ofPair(hash, names[column[cell]]), hashes[at]);
    }
    return hash;
  }

  #metadataHashes(block: Block): MetadataHashes {
    let hashes = this.#metadata.get(block);
    if (!hashes) {
      const { columns } = block.rowMetadata();
      const names = columns.map(({ name }) => this.#ofText(name));
      const values = columns.map((column) => new Float64Array(column.values.length).fill(Number.NaN));
      this.#metadata.set(block, (hashes = { names, values }));
    }
    return hashes;
  }

  #ofText(text: string): number {
    const bytes = Buffer.from(text);
    return this.#ofBytes(0, bytes, 0, bytes.length);
  }

  #ofPair(first: number, second: number): number {
    const word = this.#word;
    word[0] = second;
    word[1] = second >> 8;
    word[2] = second >> 16;
    word[3] = second >> 24;
    return this.#ofBytes(first, word, 0, 4);
  }

  /** Hash of a word and bytes[start .. end) after it. */
  #ofBytes(first: number, bytes: Uint8Array, start: number, end: number): number {
    let v0 = this.#k0;
    let v1 = this.#k1;
    let v2 = this.#k0 ^ 0x6c796765;
    let v3 = this.#k1 ^ 0x74656462;
    const words = (end - start) >>> 2;
    let word = first;
    // A round for each word, one for the last bytes and the length, and three to finish.
    for (let i = 0, at = start; i < words + 5; i++) {
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
      if (i < words) {
        word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
        at += 4;
      } else if (i === words) {
        word = (end - start) << 24;
        for (let shift = 0; at < end; at++, shift += 8) word |= bytes[at] << shift;
      } else {
        word = 0;
        if (i === words + 1) v2 ^= 0xff;
      }
    }
    return (v1 ^ v3) >>> 0;
  }
}
