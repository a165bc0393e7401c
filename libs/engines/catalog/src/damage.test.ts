/**
 * Protects sound objects from damaged ones: one damaged object must not fail other tenants, partitions or the
 * start.
 */
import { ByteWriter, crc32c } from '@loki/bytes';
import { MemoryObjectStore } from '@loki/object-store';
import type { Clock, Logger, Timers } from '@loki/ports';
import { Catalog } from './catalog.ts';
import { partitionCommitters } from './commits.ts';
import { DeleteRequests } from './deletes/delete-requests.ts';
import type { ManifestContent } from './logs/manifest.ts';
import { PartitionCatalog } from './logs/partition-catalog.ts';
import { repairCatalog } from './repair.ts';

const clock = { nowMs: () => 1_700_000_000_000, monotonicMs: () => 0 } as Clock;
const timers = { after: () => ({ cancel: () => undefined }) } as unknown as Timers;

const commitOf = (startOffset: number, endOffset: number) => ({
  startOffset,
  endOffset,
  writers: [['a'.repeat(32), endOffset]] as const,
  drops: [],
  erased: [],
  createdMs: 0,
});

async function damage(
  store: MemoryObjectStore,
  key: string,
  change: (bytes: Buffer) => Buffer,
): Promise<void> {
  await store.put(key, change(Buffer.from(await store.get(key))));
}

const flips = (at: number) => (bytes: Buffer) => {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
  return bytes;
};

function errors() {
  const lines: string[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (message, fields) => void lines.push(`${message} ${JSON.stringify(fields)}`),
    child: () => logger,
  };
  return { lines, logger };
}

describe('a damaged newest manifest', () => {
  const key = 'catalog/partitions/0/00000000000000000003';

  async function damagedStore(change = flips(6)) {
    const objectStore = new MemoryObjectStore();
    for (const partition of [0, 1]) {
      const catalog = new PartitionCatalog({ objectStore, partition });
      for (let i = 0; i < 3; i++) await catalog.commit(commitOf(i * 10, i * 10 + 10));
    }
    await damage(objectStore, key, change);
    return objectStore;
  }

  test.each([
    ['a flipped bit', flips(6)],
    ['a cut', (bytes: Buffer) => bytes.subarray(0, 9)],
    ['nothing in it', () => Buffer.alloc(0)],
  ])('is told once, and its partition is served up to it: %s', async (_, change) => {
    const objectStore = await damagedStore(change);
    const { lines, logger } = errors();
    const catalog = new Catalog({ objectStore, logger, partitionCount: 2 });
    await catalog.refresh();
    await catalog.refresh();
    expect([0, 1].map((partition) => catalog.state(partition).endOffset)).toEqual([20, 30]);
    expect(lines).toEqual([expect.stringContaining(key)]);
    expect(lines[0]).toContain('lokictl repair');
    await catalog.refreshTo(0, 20);
    expect(catalog.segmentsFor('t', 0n, 1n, new Map([[0, 20]]))).toEqual([]);
    await expect(catalog.refreshTo(0, 30)).rejects.toThrow(key);
  });

  test('lets an owner go on from where the sound ones end, and commit nothing', async () => {
    const objectStore = await damagedStore();
    const committer = partitionCommitters({ objectStore, clock })(0);
    expect(await committer.load()).toMatchObject({ endOffset: 20 });
    const commit = { startOffset: 20, endOffset: 25, writers: [] };
    await expect(committer.commit(commit)).rejects.toMatchObject({ code: 'corrupt' });
  });

  test('lets an owner put no segment before it is repaired', async () => {
    const objectStore = await damagedStore();
    const committer = partitionCommitters({ objectStore, clock })(0);
    await committer.load();
    await expect(committer.prove()).rejects.toMatchObject({ code: 'corrupt' });
    await repairCatalog({ objectStore, partitionCount: 2, nowMs: 5, isDryRun: false });
    await committer.prove();
    expect(await committer.commit({ startOffset: 20, endOffset: 25, writers: [] })).toBe(true);
  });

  test('is repaired: what it committed is read from the log again, and commits go on', async () => {
    const objectStore = await damagedStore();
    const options = { objectStore, partitionCount: 2, nowMs: 5 };
    const plan = await repairCatalog({ ...options, isDryRun: true });
    expect(plan).toMatchObject([{ key, isMended: false }]);
    expect(await repairCatalog({ ...options, isDryRun: false })).toMatchObject([{ key, isMended: true }]);
    expect(await repairCatalog({ ...options, isDryRun: true })).toEqual([]);
    expect((await objectStore.get(`quarantine/${key}`)).length).toBeGreaterThan(0);
    const committer = partitionCommitters({ objectStore, clock })(0);
    expect(await committer.load()).toMatchObject({ endOffset: 20 });
    expect(await committer.commit({ startOffset: 20, endOffset: 25, writers: [] })).toBe(true);
  });
});

describe('a damaged step of a delete request', () => {
  const key = 'deletes/log/00000000000000000002';

  async function damagedRequests(change: (bytes: Buffer) => Buffer) {
    const objectStore = new MemoryObjectStore();
    const api = new DeleteRequests({ objectStore, clock, timers });
    const create = (requests: DeleteRequests, id: string, tenant: string) =>
      requests.create(tenant, { id, query: '{app="x"}', startMs: 0, endMs: 5, parts: 1 });
    await create(api, 'one', 'sound');
    await create(api, 'two', 'damaged');
    await create(api, 'three', 'sound');
    await damage(objectStore, key, change);
    const requests = new DeleteRequests({ objectStore, clock, timers });
    return { objectStore, requests, create: (id: string, tenant: string) => create(requests, id, tenant) };
  }

  test.each([
    ['a flipped bit', (bytes: Buffer) => flips(bytes.length - 6)(bytes)],
    ['a cut', (bytes: Buffer) => bytes.subarray(0, bytes.length - 7)],
  ])('fails its tenant and no other, who may delete on: %s', async (_, change) => {
    const { requests, create } = await damagedRequests(change);
    await requests.current();
    expect(requests.active('sound', 0n, 1_000_000n)).toHaveLength(2);
    expect(() => requests.active('damaged', 0n, 1n)).toThrow(key);
    await create('four', 'sound');
    await create('five', 'damaged');
    expect(requests.active('sound', 0n, 1_000_000n)).toHaveLength(3);
    expect(() => requests.active('damaged', 0n, 1n)).toThrow('lokictl repair');
  });

  test('fails its tenant alone, whichever bit is flipped: its name stands in two places', async () => {
    let bits = 0;
    for (let bit = 0; bit === 0 || bit < bits; bit++) {
      const { requests } = await damagedRequests((bytes) => {
        bits = bytes.length * 8;
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] ^= 1 << (bit & 7);
        return flipped;
      });
      await requests.current();
      expect(requests.active('sound', 0n, 1_000_000n)).toHaveLength(2);
      expect(() => requests.active('damaged', 0n, 1n)).toThrow(key);
    }
    expect(bits).toBeGreaterThan(300);
  });

  test('fails its tenant alone, whatever is overwritten but the other place', async () => {
    for (const change of [
      (bytes: Buffer) => bytes.fill(0xff, 0, bytes.length >> 1),
      (bytes: Buffer) => bytes.fill(0xff, bytes.length >> 1),
    ]) {
      const { requests } = await damagedRequests(change);
      await requests.current();
      expect(requests.active('sound', 0n, 1_000_000n)).toHaveLength(2);
      expect(() => requests.active('damaged', 0n, 1n)).toThrow(key);
    }
  });

  test('whose tenant cannot be read fails all, as it may be of any, until it is repaired', async () => {
    const { objectStore, requests } = await damagedRequests(() => Buffer.alloc(0));
    await expect(requests.current()).rejects.toThrow(key);
    const repair = (isDryRun: boolean) =>
      repairCatalog({ objectStore, partitionCount: 0, nowMs: 5, isDryRun });
    expect(await repair(true)).toMatchObject([{ key, isMended: false }]);
    expect(await repair(false)).toMatchObject([{ key, isMended: true }]);
    await requests.current();
    expect(requests.active('sound', 0n, 1_000_000n)).toHaveLength(2);
  });

  test('of version 1, which names its tenant in one place, is read', async () => {
    const objectStore = new MemoryObjectStore();
    const writer = new ByteWriter();
    writer.text('LDE1');
    writer.uvarint(1);
    writer.uvarint(7);
    writer.sizedText('sound');
    writer.u8(0);
    for (const text of ['one', '{app="x"}']) writer.sizedText(text);
    writer.varint(0);
    writer.varint(5);
    writer.uvarint(1);
    writer.u32(crc32c(writer.view()));
    await objectStore.put('deletes/log/00000000000000000001', writer.take());
    const requests = new DeleteRequests({ objectStore, clock, timers });
    await requests.current();
    expect(requests.active('sound', 0n, 1_000_000n)).toHaveLength(1);
  });

  test('is dropped by a repair', async () => {
    const { objectStore } = await damagedRequests((bytes) => flips(bytes.length - 6)(bytes));
    const repairs = await repairCatalog({ objectStore, partitionCount: 0, nowMs: 5, isDryRun: false });
    expect(repairs).toMatchObject([{ key, isMended: true }]);
    const requests = new DeleteRequests({ objectStore, clock, timers });
    await requests.current();
    expect(requests.active('damaged', 0n, 1n)).toEqual([]);
    expect(requests.active('sound', 0n, 1_000_000n)).toHaveLength(2);
  });

  test('on its way, and sound in the store, fails nobody', async () => {
    const { objectStore, requests } = await damagedRequests((bytes) => bytes);
    const get = objectStore.get.bind(objectStore);
    let reads = 0;
    objectStore.get = async (name) => {
      const bytes = Buffer.from(await get(name));
      return name === key && reads++ === 0 ? flips(bytes.length - 6)(bytes) : bytes;
    };
    await requests.current().catch(() => requests.current());
    expect(requests.active('damaged', 0n, 1_000_000n)).toHaveLength(1);
  });
});

describe('old manifests that were removed', () => {
  const eraSize = 4;
  const removal = { nowMs: 1_000, removeAfterMs: 0 };

  function flushOf(startOffset: number, endOffset: number): ManifestContent {
    const section = { tenant: 't', minNs: 0n, maxNs: 9n, rowCount: 1, lineBytes: 1 };
    const segment = { key: `segments/0/${startOffset}`, sizeBytes: 1, level: 0, sections: [section] };
    return { ...commitOf(startOffset, endOffset), segment };
  }

  /** Twenty manifests, those of the first eras removed. */
  async function removedStore(): Promise<MemoryObjectStore> {
    const objectStore = new MemoryObjectStore();
    const catalog = new PartitionCatalog({ objectStore, partition: 0, checkpointEvery: 5, eraSize });
    for (let i = 0; i < 20; i++) {
      await catalog.commit(flushOf(i * 10, i * 10 + 10));
      await catalog.checkpoint();
    }
    await catalog.removeCovered(removal);
    const first = objectStore.get('catalog/partitions/0/00000000000000000001');
    await expect(first).rejects.toMatchObject({ code: 'notFound' });
    return objectStore;
  }

  test('one damaged checkpoint costs time, not data', async () => {
    const objectStore = await removedStore();
    await damage(objectStore, 'catalog/checkpoints/0/00000000000000000020', flips(9));
    const catalog = new PartitionCatalog({ objectStore, partition: 0, eraSize });
    await catalog.load();
    expect([catalog.state.number, catalog.state.endOffset, catalog.state.live.size]).toEqual([20, 200, 20]);
  });

  test('a damaged checkpoint is told by its reader, and removed by a repair', async () => {
    const objectStore = await removedStore();
    const key = 'catalog/checkpoints/0/00000000000000000020';
    await damage(objectStore, key, flips(9));
    const { lines, logger } = errors();
    await new Catalog({ objectStore, timers, logger, partitionCount: 1, eraSize }).refresh();
    expect(lines).toEqual([expect.stringMatching(new RegExp(`damaged checkpoint.*${key}.*lokictl repair`))]);
    const options = { objectStore, partitionCount: 1, nowMs: 5, eraSize };
    expect(await repairCatalog({ ...options, isDryRun: true })).toMatchObject([{ key, isMended: false }]);
    expect(await repairCatalog({ ...options, isDryRun: false })).toMatchObject([{ key, isMended: true }]);
    expect(await repairCatalog({ ...options, isDryRun: true })).toEqual([]);
    expect((await objectStore.get(`quarantine/${key}`)).length).toBeGreaterThan(0);
  });

  test('without a sound checkpoint the catalog is unavailable, and never empty', async () => {
    const objectStore = await removedStore();
    for (const number of [15, 20]) {
      await damage(objectStore, `catalog/checkpoints/0/000000000000000000${number}`, flips(9));
    }
    const catalog = new PartitionCatalog({ objectStore, partition: 0, eraSize });
    await expect(catalog.load()).rejects.toMatchObject({ code: 'unavailable' });
    await expect(catalog.commit(flushOf(0, 10))).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('a reader that slept reads the checkpoint, and tells its listener the difference only', async () => {
    const objectStore = new MemoryObjectStore();
    const writer = new PartitionCatalog({ objectStore, partition: 0, checkpointEvery: 5, eraSize });
    for (let i = 0; i < 3; i++) await writer.commit(flushOf(i * 10, i * 10 + 10));
    const news: string[] = [];
    const listener = {
      added: ({ startOffset }: { startOffset: number }) => void news.push(`+${startOffset}`),
      removed: ({ startOffset }: { startOffset: number }) => void news.push(`-${startOffset}`),
    };
    const reader = new PartitionCatalog({ objectStore, partition: 0, listener, eraSize });
    await reader.load();
    const [key] = [...writer.state.live.keys()];
    await writer.drop({ drops: [{ key, tenants: [] }], createdMs: 5 });
    for (let i = 3; i < 20; i++) {
      await writer.commit(flushOf(i * 10, i * 10 + 10));
      await writer.checkpoint();
    }
    await writer.removeCovered(removal);
    news.length = 0;
    await reader.load();
    expect(news.toSorted()).toEqual(
      [...Array.from({ length: 17 }, (_, i) => `+${(i + 3) * 10}`), '-0'].sort(),
    );
    expect(reader.state.live.size).toBe(19);
  });

  test('a writer that slept loses, and then goes on at the end', async () => {
    const objectStore = new MemoryObjectStore();
    const sleeper = new PartitionCatalog({ objectStore, partition: 0, eraSize });
    await sleeper.commit(flushOf(0, 10));
    const writer = new PartitionCatalog({ objectStore, partition: 0, checkpointEvery: 5, eraSize });
    await writer.load();
    for (let i = 1; i < 20; i++) {
      await writer.commit(flushOf(i * 10, i * 10 + 10));
      await writer.checkpoint();
    }
    await writer.removeCovered(removal);
    expect(await sleeper.commit(flushOf(10, 15))).toMatchObject({ outcome: 'lost' });
    expect(await sleeper.commit(flushOf(200, 210))).toMatchObject({ outcome: 'committed' });
  });
});
