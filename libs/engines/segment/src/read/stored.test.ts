import type { CheckedRange, ObjectStore, ObjectTail, RangeCache } from '@loki/ports';
import { columns } from '../format/types.ts';
import { allColumns, writeRows } from '../test/rows.ts';
import type { InputRow } from '../test/rows.ts';
import { encodeSegment } from '../write/encode.ts';
import { openSegment } from './open.ts';
import { readSegment } from './stored.ts';
import { TailGuess } from './tail-guess.ts';

/** Counts what is read of one object. */
function countingStore(bytes: Buffer) {
  const reads: { offset: number; length: number }[] = [];
  const store: Pick<ObjectStore, 'getRange' | 'getTail'> = {
    getRange: async (_key, offset, length, signal) => {
      signal?.throwIfAborted();
      reads.push({ offset, length });
      return Buffer.from(bytes.subarray(offset, offset + length));
    },
    getTail: async (_key, length) => {
      const size = Math.min(length, bytes.length);
      reads.push({ offset: bytes.length - size, length: size });
      return { bytes: Buffer.from(bytes.subarray(bytes.length - size)), sizeBytes: bytes.length };
    },
  };
  return { store: store as ObjectStore, reads };
}

/** Lines that do not compress, so that sizes are what they seem. */
function noisyRows(count: number, lineBytes: number): InputRow[] {
  let state = 1;
  const line = () =>
    Array.from({ length: lineBytes }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return String.fromCharCode(33 + (state >>> 25) * 0.7);
    }).join('');
  return Array.from({ length: count }, (_, i) => ({
    labels: [['app', `a${i % 3}`]],
    ts: BigInt(i) * 1_000_000n,
    line: line(),
    metadata: [
      ['id', line().slice(0, 40)],
      ['level', i % 5 === 0 ? 'error' : 'info'],
    ],
  }));
}

/** All bytes, unchecked: their reader reports the damage. */
class PlainCache implements RangeCache {
  tail: ObjectTail | undefined;
  readonly #ranges = new Map<number, Buffer>();

  async read(_key: string, ranges: readonly CheckedRange[]) {
    return ranges.map(({ offset }) => this.#ranges.get(offset));
  }

  write(_key: string, ranges: readonly (CheckedRange & { readonly bytes: Uint8Array })[]): void {
    for (const range of ranges) this.#ranges.set(range.offset, Buffer.from(range.bytes));
  }

  async readTail() {
    return this.tail;
  }

  writeTail(_key: string, { bytes: tail, sizeBytes }: ObjectTail): void {
    this.tail = { bytes: Buffer.from(tail), sizeBytes };
  }
}

const bytes = encodeSegment(writeRows('t', noisyRows(4000, 300)), { kind: 'flushed', blockBytes: 100_000 });

describe('a stored segment', () => {
  test('is opened by one read, and gives small columns that stand near the footer without another', async () => {
    const { store, reads } = countingStore(bytes);
    const segment = await readSegment(store, 'k');
    expect(reads).toEqual([{ offset: bytes.length - 65536, length: 65536 }]);
    const section = segment.section('t')!;
    const blocks = await segment.fetchBlocks(section, [0, 5], columns.timestamps);
    expect(reads.length).toBe(1);
    const whole = openSegment(bytes);
    expect(blocks.map((block) => block.timestamps())).toEqual(
      [0, 5].map((index) => whole.block(whole.section('t')!, index, allColumns).timestamps()),
    );
  });

  test('reads a footer larger than the guess by a second read', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i): InputRow => {
      return {
        labels: [['id', `${(i * 7919) % 1_000_003}-${i}`]],
        ts: BigInt(i * i),
        line: '',
        metadata: [],
      };
    });
    const large = encodeSegment(writeRows('t', rows), { kind: 'flushed' });
    const { store, reads } = countingStore(large);
    const tailGuess = new TailGuess();
    const segment = await readSegment(store, 'flushed/k', { tailGuess });
    const footerBytes = large.readUInt32LE(large.length - 12) + 16;
    expect(reads).toEqual([
      { offset: large.length - 65536, length: 65536 },
      { offset: large.length - footerBytes, length: footerBytes - 65536 },
    ]);
    // The next one of its kind is read at once.
    await readSegment(store, 'flushed/l', { tailGuess });
    await readSegment(store, 'compacted/m', { tailGuess });
    expect(reads.slice(2).map(({ length }) => length)).toEqual([
      Math.min(large.length, Math.ceil(footerBytes / 16384) * 16384),
      65536,
      footerBytes - 65536,
    ]);
    expect(segment.section('t')!.streams.labels(19_999).get('id')).toBe(rows[19_999].labels[0][1]);
  });

  test('asks the store for nothing that its cache has, and believes no footer that is damaged', async () => {
    const { store, reads } = countingStore(bytes);
    const cache = new PlainCache();
    const ask = async () => {
      const segment = await readSegment(store, 'k', { cache });
      const blocks = await segment.fetchBlocks(segment.section('t')!, [3, 9], allColumns);
      return blocks.map((block) => [block.lines(), block.timestamps(), block.lineEnds()]);
    };
    const first = await ask();
    const firstReads = reads.splice(0).length;
    expect(await ask()).toEqual(first);
    expect(reads).toEqual([]);
    expect(firstReads).toBeGreaterThan(1);
    cache.tail!.bytes[cache.tail!.bytes.length - 20] ^= 1;
    expect(await ask()).toEqual(first);
    expect(reads.length).toBe(1);
  });

  test('reads neighbouring blocks in one request and only the metadata that was asked for', async () => {
    const { store, reads } = countingStore(bytes);
    const segment = await readSegment(store, 'k');
    const section = segment.section('t')!;
    const whole = openSegment(bytes);
    const blocks = await segment.fetchBlocks(section, [3, 2, 1], columns.lines);
    expect(reads.length).toBe(2);
    [3, 2, 1].forEach((index, i) => {
      const original = whole.block(whole.section('t')!, index, allColumns);
      expect(blocks[i].lines().equals(original.lines())).toBe(true);
    });
    expect(() => blocks[0].timestamps()).toThrow('timestamps were not asked for');

    const asked = await segment.fetchBlock(section, 0, columns.metadata, { metadataNames: ['level'] });
    expect(asked.metadataColumn('level')!.values).toEqual(['error', 'info']);
    expect(() => asked.metadataColumn('id')).toThrow('metadata id were not fetched');
    expect(asked.metadataColumn('nobody')).toBeUndefined();
    const level = reads.at(-1)!.length;
    const both = await segment.fetchBlock(section, 0, columns.metadata);
    expect(both.metadataColumn('id')!.values.length).toBeGreaterThan(100);
    expect(reads.at(-1)!.length).toBeGreaterThan(level * 4);
  });

  test('passes on an abort and refuses a store that gives too little', async () => {
    const { store } = countingStore(bytes);
    const segment = await readSegment(store, 'k');
    const section = segment.section('t')!;
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(segment.fetchBlock(section, 0, columns.lines, { signal })).rejects.toThrow('enough');
    store.getRange = async () => Buffer.alloc(3);
    await expect(segment.fetchBlock(section, 0, columns.lines)).rejects.toThrow(
      /^k: bytes .* the store gave 3 bytes$/,
    );
  });
});
