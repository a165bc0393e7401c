import fc from 'fast-check';
import { LokiError } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { ObjectStore } from '@loki/ports';
import { Prng } from '@loki/virtual';
import { CatalogState } from './catalog-state.ts';
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts';
import { checkpointPrefix, manifestKey, numbered } from './keys.ts';
import { decodeManifest, encodeManifest } from './manifest.ts';
import type { Manifest, ManifestContent } from './manifest.ts';
import { PartitionCatalog } from './partition-catalog.ts';

function flush(startOffset: number, endOffset: number, more?: Partial<ManifestContent>): ManifestContent {
  return {
    startOffset,
    endOffset,
    segment: {
      key: `segments/${startOffset}-${endOffset}`,
      sizeBytes: 1000,
      level: 0,
      sections: [
        { tenant: 'a', minNs: 10n, maxNs: 20n, rowCount: 3, lineBytes: 300 },
        { tenant: 'b', minNs: -5n, maxNs: 2n ** 62n, rowCount: 1, lineBytes: 0 },
      ],
    },
    writers: [['w1', endOffset]],
    drops: [],
    erased: [],
    createdMs: 1_700_000_000_000,
    ...more,
  };
}

/** A store whose puts may be done and yet fail, or fail and not be done. */
function flaky(store: ObjectStore, fate: () => 'ok' | 'fails' | 'answer lost'): ObjectStore {
  const failure = new LokiError('unavailable', 'store failed');
  return {
    put: (key, bytes) => store.put(key, bytes),
    async putIfAbsent(key, bytes) {
      const now = fate();
      if (now === 'fails') throw failure;
      const isCreated = await store.putIfAbsent(key, bytes);
      if (now === 'answer lost') throw failure;
      return isCreated;
    },
    get: (key) => store.get(key),
    getRange: (key, offset, length) => store.getRange(key, offset, length),
    getTail: (key, length) => store.getTail(key, length),
    list: (prefix, startAfter) => store.list(prefix, startAfter),
    delete: (key) => store.delete(key),
  };
}

describe('manifests as bytes', () => {
  const arbitrarySection = fc.record({
    tenant: fc.string({ minLength: 1, unit: 'grapheme' }),
    minNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 62n }),
    span: fc.bigInt({ min: 0n, max: 2n ** 62n }),
    rowCount: fc.maxSafeNat(),
    lineBytes: fc.maxSafeNat(),
  });
  const arbitraryManifest: fc.Arbitrary<Manifest> = fc.record({
    partition: fc.nat(),
    number: fc.maxSafeNat(),
    startOffset: fc.maxSafeNat(),
    endOffset: fc.maxSafeNat(),
    createdMs: fc.maxSafeNat(),
    segment: fc.option(
      fc.record({
        key: fc.string(),
        sizeBytes: fc.maxSafeNat(),
        level: fc.nat(),
        sections: fc
          .array(arbitrarySection)
          .map((sections) => sections.map(({ span, ...rest }) => ({ ...rest, maxNs: rest.minNs + span }))),
      }),
      { nil: undefined },
    ),
    writers: fc.array(fc.tuple(fc.string(), fc.maxSafeNat())),
    drops: fc.array(fc.record({ key: fc.string(), tenants: fc.array(fc.string()) })),
    erased: fc.array(fc.string()),
  });

  test('a manifest comes back as it was', () => {
    fc.assert(
      fc.property(arbitraryManifest, (manifest) => {
        expect(decodeManifest(encodeManifest(manifest), 'k')).toEqual(manifest);
      }),
    );
  });

  test('every cut and every flipped bit is found, and the key is named', () => {
    const bytes = encodeManifest({ ...flush(5, 10), partition: 3, number: 7 });
    const expectCorrupt = (damaged: Buffer): void => {
      expect(() => decodeManifest(damaged, 'the/key')).toThrow(
        expect.objectContaining({
          code: 'corrupt',
          message: expect.stringContaining('the/key') as string,
        }) as Error,
      );
    };
    for (let cut = 0; cut < bytes.length; cut++) expectCorrupt(bytes.subarray(0, cut));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      expectCorrupt(flipped);
    }
  });

  test('any bytes are refused without harm', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(() => decodeManifest(bytes, 'k')).toThrow(LokiError);
        expect(() => decodeCheckpoint(bytes, 'k', new CatalogState(0))).toThrow(LokiError);
      }),
    );
  });
});

describe('commits', () => {
  test('manifests follow each other; what one commits another reads', async () => {
    const objectStore = new MemoryObjectStore();
    const writer = new PartitionCatalog({ objectStore, partition: 2 });
    await writer.commit(flush(0, 10));
    await writer.commit(flush(10, 11));
    const reader = new PartitionCatalog({ objectStore, partition: 2 });
    expect((await reader.load()).map((manifest) => manifest.number)).toEqual([1, 2]);
    expect(reader.state.endOffset).toBe(11);
    expect(reader.state.writers).toEqual([['w1', 11]]);
    expect(reader.state.newestNs).toBe(2n ** 62n);
    expect([...reader.state.live.keys()]).toEqual(['segments/0-10', 'segments/10-11']);
    expect(await reader.load()).toEqual([]);
    await expect(reader.commit(flush(12, 13))).rejects.toMatchObject({ code: 'internal' });
  });

  test('of two leaders one loses, learns what won, and goes on from there', async () => {
    const objectStore = new MemoryObjectStore();
    const first = new PartitionCatalog({ objectStore, partition: 0 });
    const second = new PartitionCatalog({ objectStore, partition: 0 });
    await second.load();
    await first.commit(flush(0, 10));
    const outcome = await second.commit(flush(0, 8));
    expect(outcome).toMatchObject({ outcome: 'lost', winners: [{ startOffset: 0, endOffset: 10 }] });
    expect((await second.commit(flush(10, 12))).outcome).toBe('committed');
    expect((await first.commit(flush(10, 11))).outcome).toBe('lost');
  });

  test('a commit whose answer was lost finds itself, whether or not something was read in between', async () => {
    for (const isRead of [true, false]) {
      const objectStore = new MemoryObjectStore();
      let fate: 'ok' | 'answer lost' = 'answer lost';
      const writer = new PartitionCatalog({ objectStore: flaky(objectStore, () => fate), partition: 0 });
      await expect(writer.commit(flush(0, 10))).rejects.toMatchObject({ code: 'unavailable' });
      fate = 'ok';
      if (isRead) await writer.load();
      const again = await writer.commit(flush(0, 10, { createdMs: 1_700_000_009_999 }));
      expect(again).toMatchObject({ outcome: 'committed', manifest: { number: 1 } });
      expect(writer.state.number).toBe(1);
    }
  });

  test('a manifest that only drops does not cost a leader its flush', async () => {
    const objectStore = new MemoryObjectStore();
    const leader = new PartitionCatalog({ objectStore, partition: 0 });
    await leader.commit(flush(0, 10));
    const compactor = new PartitionCatalog({ objectStore, partition: 0 });
    await compactor.drop({ drops: [{ key: 'segments/0-10', tenants: ['a'] }], createdMs: 50 });
    expect(await leader.commit(flush(10, 20))).toMatchObject({
      outcome: 'committed',
      manifest: { number: 3 },
    });
    expect(
      Array.from(leader.state.live.get('segments/0-10')!.segment.sections, ({ tenant }) => tenant),
    ).toEqual(['b']);
    expect(leader.state.writers).toEqual([['w1', 20]]);
  });

  test('a dropped segment may be deleted after its grace period, and is then forgotten', async () => {
    const objectStore = new MemoryObjectStore();
    const catalog = new PartitionCatalog({ objectStore, partition: 0 });
    await catalog.commit(flush(0, 10));
    await catalog.drop({ drops: [{ key: 'segments/0-10', tenants: ['a'] }], createdMs: 100 });
    expect(catalog.deletable(1e9, 0)).toEqual([]);
    await catalog.drop({ drops: [{ key: 'segments/0-10', tenants: [] }], createdMs: 200 });
    expect(catalog.state.live.size).toBe(0);
    expect(catalog.deletable(299, 100)).toEqual([]);
    expect(catalog.deletable(300, 100)).toEqual(['segments/0-10']);
    await catalog.drop({ erased: ['segments/0-10'], createdMs: 300 });
    expect(catalog.deletable(1e9, 0)).toEqual([]);
    expect(catalog.state.endOffset).toBe(10);
  });

  test('a hole, an overlap or a damaged manifest is corruption, not an end', async () => {
    const objectStore = new MemoryObjectStore();
    const writer = new PartitionCatalog({ objectStore, partition: 0 });
    await writer.commit(flush(0, 10));
    const put = (number: number, content: ManifestContent, partition = 0): Promise<void> =>
      objectStore.put(manifestKey(0, number), encodeManifest({ ...content, partition, number }));
    for (const [content, partition] of [
      [flush(11, 12), 0],
      [flush(9, 12), 0],
      [flush(10, 12), 1],
    ] as const) {
      await put(2, content, partition);
      const reader = new PartitionCatalog({ objectStore, partition: 0 });
      await expect(reader.load()).rejects.toMatchObject({ code: 'corrupt' });
    }
    await objectStore.put(manifestKey(0, 2), Buffer.from('nonsense'));
    await expect(new PartitionCatalog({ objectStore, partition: 0 }).load()).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringContaining(manifestKey(0, 2)) as string,
    });
  });

  test('a store that shows a later manifest before an earlier one is read up to the gap', async () => {
    const objectStore = new MemoryObjectStore();
    const writer = new PartitionCatalog({ objectStore, partition: 0 });
    for (let i = 0; i < 5; i++) await writer.commit(flush(i, i + 1));
    const third = await objectStore.get(manifestKey(0, 3));
    await objectStore.delete(manifestKey(0, 3));
    const reader = new PartitionCatalog({ objectStore, partition: 0 });
    await reader.load();
    expect(reader.state.number).toBe(2);
    await objectStore.put(manifestKey(0, 3), third);
    await reader.load();
    expect(reader.state.number).toBe(5);
  });

  test.each(Array.from({ length: 60 }, (_, seed) => seed))(
    'seed %i: with several leaders and a store that fails, every offset is committed once',
    async (seed) => {
      const random = new Prng(`catalog ${seed}`);
      const objectStore = new MemoryObjectStore();
      const store = flaky(objectStore, () => random.pick(['ok', 'ok', 'fails', 'answer lost']));
      const believed = new Map<string, number>();
      const leader = async (name: string): Promise<void> => {
        const catalog = new PartitionCatalog({ objectStore: store, partition: 0, checkpointEvery: 4 });
        for (let i = 0; i < 12; i++) {
          await catalog.load().catch(() => []);
          const start = catalog.state.endOffset;
          const end = start + random.int(1, 5);
          const content = flush(start, end, {
            segment: { key: `${name}/${i}`, sizeBytes: 1, level: 0, sections: [] },
          });
          for (let attempt = 0; attempt < 5; attempt++) {
            try {
              const outcome = await catalog.commit(content);
              if (outcome.outcome === 'committed') believed.set(`${name}/${i}`, start);
              break;
            } catch (error) {
              expect(error).toMatchObject({ code: 'unavailable' });
            }
          }
          await catalog.checkpoint().catch(() => false);
        }
      };
      await Promise.all(['x', 'y', 'z'].map(leader));
      const full = new PartitionCatalog({ objectStore, partition: 0 });
      await full.load();
      const replayed = new CatalogState(0);
      for (let n = 1; n <= full.state.number; n++) {
        replayed.fold(decodeManifest(await objectStore.get(manifestKey(0, n)), 'k'));
      }
      expect(encodeCheckpoint(full.state)).toEqual(encodeCheckpoint(replayed));
      for (const [key, start] of believed) expect(replayed.live.get(key)?.startOffset).toBe(start);
    },
  );
});

describe('checkpoints', () => {
  async function filled(manifests: number): Promise<MemoryObjectStore> {
    const objectStore = new MemoryObjectStore();
    const writer = new PartitionCatalog({ objectStore, partition: 0, checkpointEvery: 10 });
    for (let i = 0; i < manifests; i++) {
      await writer.commit(flush(i, i + 1));
      if (i % 3 === 2) {
        await writer.drop({ drops: [{ key: `segments/${i}-${i + 1}`, tenants: [] }], createdMs: i });
      }
      await writer.checkpoint();
    }
    return objectStore;
  }

  test('a cold start reads the last checkpoint and what came after, and knows the same', async () => {
    const objectStore = await filled(50);
    const gets: string[] = [];
    const counting = flaky(objectStore, () => 'ok');
    const reader = new PartitionCatalog({
      objectStore: { ...counting, get: (key) => (gets.push(key), objectStore.get(key)) },
      partition: 0,
    });
    await reader.load();
    expect(gets.length).toBeLessThan(15);
    expect(reader.state.endOffset).toBe(50);
    expect(reader.state.dead.size).toBe(16);
    const keys: string[] = [];
    for await (const { key } of objectStore.list('catalog/checkpoints/')) keys.push(key);
    expect(keys).toHaveLength(2);
  });

  test('a damaged checkpoint costs time, not data', async () => {
    const objectStore = await filled(50);
    const reader = new PartitionCatalog({ objectStore, partition: 0 });
    await reader.load();
    for await (const { key } of objectStore.list('catalog/checkpoints/')) {
      await objectStore.put(key, Buffer.from('x'));
    }
    const again = new PartitionCatalog({ objectStore, partition: 0 });
    await again.load();
    expect(encodeCheckpoint(again.state)).toEqual(encodeCheckpoint(reader.state));
  });

  test('a checkpoint of another partition is not believed', async () => {
    const objectStore = await filled(10);
    const other = new CatalogState(1);
    const bytes = await objectStore.get(numbered(checkpointPrefix(0), 10)).catch(async () => {
      for await (const { key } of objectStore.list('catalog/checkpoints/0/')) return objectStore.get(key);
      throw new Error('no checkpoint was written');
    });
    expect(() => decodeCheckpoint(bytes, 'k', other)).toThrow('of partition 0');
    expect(other.number).toBe(0);
  });
});
