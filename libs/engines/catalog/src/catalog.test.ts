import { dayNs, hourNs } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { ObjectStore } from '@loki/ports';
import { Prng } from '@loki/virtual';
import { Catalog } from './catalog.ts';
import type { SegmentRef } from './compaction/section-index.ts';
import type { ManifestSection } from './logs/manifest.ts';
import { PartitionCatalog } from './logs/partition-catalog.ts';

function section(tenant: string, minNs: bigint, maxNs: bigint): ManifestSection {
  return { tenant, minNs, maxNs, rowCount: 1, lineBytes: 1 };
}

async function commit(
  writer: PartitionCatalog,
  endOffset: number,
  sections: readonly ManifestSection[],
): Promise<string> {
  const startOffset = writer.state.endOffset;
  const key = `segments/${writer.partition}/${startOffset}`;
  const segment = { key, sizeBytes: 10, level: 0, sections };
  await writer.commit({ startOffset, endOffset, segment, writers: [], drops: [], erased: [], createdMs: 1 });
  return key;
}

const keysOf = (refs: readonly SegmentRef[]): string[] => refs.map((ref) => ref.key);

describe('the read side', () => {
  let objectStore: ObjectStore;
  let writers: PartitionCatalog[];
  let catalog: Catalog;
  beforeEach(() => {
    objectStore = new MemoryObjectStore();
    writers = [0, 1].map((partition) => new PartitionCatalog({ objectStore, partition }));
    catalog = new Catalog({ objectStore, partitionCount: 2 });
  });

  test("finds a tenant's segments by time, oldest first in each partition, and no other tenant's", async () => {
    await commit(writers[1], 5, [section('a', 0n, 99n), section('b', 0n, 99n)]);
    await commit(writers[0], 5, [section('a', 100n, 200n)]);
    await commit(writers[0], 9, [section('a', 50n, 120n)]);
    await commit(writers[0], 10, [section('b', 50n, 120n)]);
    await catalog.refresh();
    expect(keysOf(catalog.segmentsFor('a', 0n, 1000n))).toEqual([
      'segments/0/0',
      'segments/0/5',
      'segments/1/0',
    ]);
    expect(keysOf(catalog.segmentsFor('a', 99n, 100n))).toEqual(['segments/0/5', 'segments/1/0']);
    expect(keysOf(catalog.segmentsFor('a', 200n, 201n))).toEqual(['segments/0/0']);
    expect(keysOf(catalog.segmentsFor('a', 201n, 1000n))).toEqual([]);
    expect(keysOf(catalog.segmentsFor('a', 50n, 50n))).toEqual([]);
    expect(keysOf(catalog.segmentsFor('c', 0n, 1000n))).toEqual([]);
    expect(catalog.tenants()).toEqual(['a', 'b']);
    expect(catalog.segmentsFor('b', 0n, 10n)[0]).toMatchObject({ partition: 1, endOffset: 5, maxNs: 99n });
  });

  test('what lies above the offset that a head answered from is left out; a gap below it is an error', async () => {
    await commit(writers[0], 5, [section('a', 0n, 99n)]);
    await commit(writers[0], 9, [section('a', 0n, 99n)]);
    await catalog.refreshTo(0, 5);
    expect(keysOf(catalog.segmentsFor('a', 0n, 10n, new Map([[0, 5]])))).toEqual(['segments/0/0']);
    expect(keysOf(catalog.segmentsFor('a', 0n, 10n, new Map([[0, 9]])))).toEqual([
      'segments/0/0',
      'segments/0/5',
    ]);
    expect(keysOf(catalog.segmentsFor('a', 0n, 10n, new Map([[0, 0]])))).toEqual([]);
    expect(() => catalog.segmentsFor('a', 0n, 10n, new Map([[0, 10]]))).toThrow(
      'below the committed offset 10',
    );
    expect(() => catalog.segmentsFor('a', 0n, 10n, new Map([[1, 1]]))).toThrow(
      'below the committed offset 1',
    );
    expect(() => catalog.segmentsFor('a', 0n, 10n, new Map([[0, 7]]))).toThrow('7 was said to be committed');
    await expect(catalog.refreshTo(0, 10)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(catalog.refreshTo(2, 0)).rejects.toThrow(RangeError);
  });

  test('refreshing to an offset that is known asks nobody; many at once ask once', async () => {
    await commit(writers[0], 5, [section('a', 0n, 99n)]);
    let [lists, gets] = [0, 0];
    const counting = new Catalog({
      objectStore: {
        ...bound(objectStore),
        list: (prefix, after) => (lists++, objectStore.list(prefix, after)),
        get: (key) => (gets++, objectStore.get(key)),
      },
      partitionCount: 1,
    });
    await Promise.all(Array.from({ length: 20 }, () => counting.refreshTo(0, 5)));
    expect(lists).toBe(2); // checkpoints of the partition and of compactions
    // The manifest, its seal, the next one, its seal, and the first of compactions with its seal.
    expect(gets).toBe(6);
    await counting.refreshTo(0, 5);
    expect([lists, gets]).toEqual([2, 6]);
    // A look that finds nothing new is two reads of each log.
    await counting.refresh();
    expect([lists, gets]).toEqual([2, 10]);
  });

  test('who waits for a refresh may go away without ending it for the others', async () => {
    await commit(writers[0], 5, [section('a', 0n, 99n)]);
    const abort = new AbortController();
    const gone = catalog.refreshTo(0, 5, abort.signal);
    const stays = catalog.refreshTo(0, 5);
    abort.abort(new Error('client gone'));
    await expect(gone).rejects.toThrow('client gone');
    await stays;
    expect(keysOf(catalog.segmentsFor('a', 0n, 10n))).toEqual(['segments/0/0']);
  });

  test('dropped sections disappear, from what is loaded and from what is loaded later', async () => {
    const key = await commit(writers[0], 5, [section('a', 0n, 3n * dayNs), section('b', 0n, 99n)]);
    await catalog.refresh();
    await writers[0].drop({ drops: [{ key, tenants: ['a'] }], createdMs: 5 });
    await catalog.refresh();
    expect(catalog.segmentsFor('a', 0n, 10n * dayNs)).toEqual([]);
    expect(keysOf(catalog.segmentsFor('b', 0n, 10n))).toEqual([key]);
    expect(catalog.tenants()).toEqual(['b']);
  });

  test('the index by day finds what a plain scan of all sections finds', async () => {
    const random = new Prng('index');
    const all: { key: string; section: ManifestSection }[] = [];
    for (let i = 0; i < 300; i++) {
      const minNs = BigInt(random.int(-24 * 20, 24 * 20)) * hourNs - BigInt(random.int(0, 1));
      const hours = random.chance(0.1) ? random.int(0, 2000) : random.int(0, 30);
      const each = section('a', minNs, minNs + BigInt(hours) * hourNs);
      all.push({ key: await commit(writers[0], writers[0].state.endOffset + 1, [each]), section: each });
    }
    await catalog.refresh();
    for (let i = 0; i < 300; i++) {
      const startNs = BigInt(random.int(-24 * 25, 24 * 25)) * hourNs;
      const endNs = startNs + BigInt(random.int(0, 24 * random.pick([1, 3, 100]))) * hourNs;
      const expected = all.filter(
        ({ section: each }) => startNs < endNs && each.minNs < endNs && each.maxNs >= startNs,
      );
      expect(keysOf(catalog.segmentsFor('a', startNs, endNs))).toEqual(expected.map(({ key }) => key));
    }
  });
});

describe('replaced sections', () => {
  /** Protects: a compactor whose clock is a day ahead drops sections as soon as they are replaced. */
  test('a reader with older offsets gets no answer without the sections that were dropped early', async () => {
    const objectStore = new MemoryObjectStore();
    const writer = new PartitionCatalog({ objectStore, partition: 0 });
    const older = await commit(writer, 5, [section('a', 0n, 9n)]);
    const newer = await commit(writer, 9, [section('a', 10n, 19n)]);
    const catalog = new Catalog({ objectStore, partitionCount: 1 });
    await catalog.refresh();
    const output = {
      key: 'compacted/a/day0',
      sizeBytes: 10,
      level: 1,
      minNs: 0n,
      maxNs: 19n,
      rowCount: 2,
      lineBytes: 2,
      createdMs: 0,
      sources: [{ partition: 0, startOffset: 0, endOffset: 9 }],
    };
    const flushed = [
      { key: older, partition: 0, startOffset: 0, endOffset: 5 },
      { key: newer, partition: 0, startOffset: 5, endOffset: 9 },
    ];
    await catalog.compactions.append((number) => ({
      number,
      createdMs: 0,
      changes: [{ tenant: 'a', day: 0, flushed, compacted: [], outputs: [output] }],
      erased: [],
    }));
    const read = (upTo: number) => keysOf(catalog.segmentsFor('a', 0n, 20n, new Map([[0, upTo]])));
    expect([read(5), read(9)]).toEqual([[older], [output.key]]);
    await writer.drop({ drops: [{ key: older, tenants: ['a'] }], createdMs: 0 });
    await catalog.refresh();
    expect(() => read(5)).toThrow('ask the head again');
    expect(read(9)).toEqual([output.key]);
  });

  test('rows of a compacted day are read from its output, the rest of a section from where it was', async () => {
    const objectStore = new MemoryObjectStore();
    const writer = new PartitionCatalog({ objectStore, partition: 0 });
    const key = await commit(writer, 5, [section('a', dayNs - 10n, 3n * dayNs + 10n)]);
    await commit(writer, 9, [section('a', dayNs, dayNs + 5n)]);
    const catalog = new Catalog({ objectStore, partitionCount: 1 });
    await catalog.refresh();
    const output = {
      key: 'compacted/a/day2',
      sizeBytes: 10,
      level: 1,
      minNs: 2n * dayNs,
      maxNs: 3n * dayNs - 1n,
      rowCount: 1,
      lineBytes: 1,
      createdMs: 0,
      sources: [{ partition: 0, startOffset: 0, endOffset: 5 }],
    };
    const flushed = [{ key, partition: 0, startOffset: 0, endOffset: 5 }];
    await catalog.compactions.append((number) => ({
      number,
      createdMs: 0,
      changes: [{ tenant: 'a', day: 2, flushed, compacted: [], outputs: [output] }],
      erased: [],
    }));
    const read = (startNs: bigint, endNs: bigint, upTo?: number): [string, bigint?, bigint?][] =>
      catalog
        .segmentsFor('a', startNs, endNs, upTo === undefined ? undefined : new Map([[0, upTo]]))
        .map((ref) => [ref.key, ref.clip?.startNs, ref.clip?.endNs]);
    expect(read(0n, 10n * dayNs)).toEqual([
      ['compacted/a/day2', undefined, undefined],
      [key, dayNs - 10n, 2n * dayNs],
      [key, 3n * dayNs, 3n * dayNs + 11n],
      ['segments/0/5', undefined, undefined],
    ]);
    expect(read(0n, dayNs)).toEqual([[key, undefined, undefined]]);
    expect(catalog.segmentsFor('b', 0n, 10n * dayNs)).toEqual([]);
    // A reader whose head still holds the records that were compacted must not get them from the output too.
    expect(read(0n, 10n * dayNs, 0)).toEqual([]);
    expect(read(0n, 10n * dayNs, 5)).toHaveLength(3);
  });
});

/** A class instance's methods as an object that can be spread. */
function bound(store: ObjectStore): ObjectStore {
  return {
    put: (key, bytes, signal) => store.put(key, bytes, signal),
    putIfAbsent: (key, bytes, signal) => store.putIfAbsent(key, bytes, signal),
    get: (key, signal) => store.get(key, signal),
    getRange: (key, offset, length, signal) => store.getRange(key, offset, length, signal),
    getTail: (key, length, signal) => store.getTail(key, length, signal),
    list: (prefix, startAfter) => store.list(prefix, startAfter),
    delete: (key) => store.delete(key),
  };
}
