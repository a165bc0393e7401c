import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeDisk } from '@loki/runtime';
import { Prng, VirtualDisk } from '@loki/virtual';
import { FilesystemObjectStore } from './filesystem-object-store.ts';
import { MemoryObjectStore } from './memory-object-store.ts';
import { PrefixedObjectStore } from './prefixed-object-store.ts';
import { objectStoreContract } from './test/object-store-contract.ts';

objectStoreContract('memory', async () => ({
  store: new MemoryObjectStore(),
  dispose: async () => undefined,
}));

objectStoreContract('file system, virtual disk', async () => ({
  store: new FilesystemObjectStore({ disk: new VirtualDisk(new Prng(1)).client(), random: new Prng(2) }),
  dispose: async () => undefined,
}));

objectStoreContract('file system, real disk, one file open', async () => {
  const root = mkdtempSync(join(tmpdir(), 'loki-objects-'));
  const store = new FilesystemObjectStore({ disk: new NodeDisk(root), openFilesMax: 1 });
  const dispose = async (): Promise<void> => {
    store.close();
    rmSync(root, { recursive: true });
  };
  return { store, dispose };
});

objectStoreContract('below a prefix, among others', async () => {
  const whole = new MemoryObjectStore();
  for (const key of ['a', 'o', 'race', 'tenants', 'tenants-2/a', 'tenants.b', 'z']) {
    await whole.put(key, Buffer.from('x'));
  }
  return { store: new PrefixedObjectStore(whole, '/tenants/'), dispose: async () => undefined };
});

describe('objects in files', () => {
  test.each(Array.from({ length: 100 }, (_, seed) => seed))(
    'seed %i: after failures and crashes every object is whole, and all that was promised is there',
    async (seed) => {
      const random = new Prng(`objects ${seed}`);
      const disk = new VirtualDisk(random.fork('disk'));
      /** Per key: texts that may be there; the first `undefined` means it may be absent. */
      const expected = new Map<string, Set<string | undefined>>();
      let written = 0;
      for (let round = 0; round < 5; round++) {
        disk.faults = { ...disk.faults, writeError: 0, syncError: 0, changeError: 0 };
        const store = await FilesystemObjectStore.open({ disk: disk.client(), random: random.fork('names') });
        expect(disk.paths().filter((path) => path.startsWith('~tmp'))).toEqual([]);
        for (const [key, texts] of expected) {
          const found = await store.get(key).then(
            (bytes) => bytes.toString(),
            () => undefined,
          );
          expect(texts).toContain(found);
          expected.set(key, new Set([found]));
        }
        if (random.chance(0.5)) {
          disk.faults.writeError = 0.1;
          disk.faults.syncError = 0.1;
          disk.faults.changeError = 0.1;
        }
        for (let i = 0; i < 20; i++) {
          const key = `dir${random.int(0, 2)}/key${random.int(0, 5)}`;
          const text = `${written++} `.repeat(random.int(1, 400));
          const before = expected.get(key) ?? new Set([undefined]);
          const isCreate = random.chance(0.5);
          try {
            const isCreated = isCreate ? await store.putIfAbsent(key, Buffer.from(text)) : undefined;
            if (!isCreate) await store.put(key, Buffer.from(text));
            if (isCreated === false) expect([...before].some((each) => each !== undefined)).toBe(true);
            if (isCreated !== false) expected.set(key, new Set([text]));
            else expected.set(key, new Set([...before].filter((each) => each !== undefined)));
          } catch (error) {
            expect(error).toMatchObject({ code: 'unavailable' });
            expected.set(key, new Set([...before, text]));
          }
        }
        disk.crash();
      }
    },
  );

  test('a put whose temporary file is cleaned away by another process begins anew', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const store = new FilesystemObjectStore({ disk: disk.client(), random: new Prng(1) });
    const other = new FilesystemObjectStore({ disk: disk.client() });
    let cleaned = 0;
    let cleaning: Promise<void> | undefined;
    disk.onOperation = ({ kind }) => {
      if (kind === 'sync' && cleaned++ === 0) cleaning = other.removeLeftovers();
    };
    await store.put('a/b', Buffer.from('whole'));
    await cleaning;
    expect((await store.get('a/b')).toString()).toBe('whole');
  });

  test('a full disk is an error that may pass, and leaves nothing behind', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const store = new FilesystemObjectStore({ disk: disk.client() });
    disk.faults.capacityBytes = 10;
    await expect(store.put('k', Buffer.alloc(100))).rejects.toMatchObject({ code: 'unavailable' });
    expect(disk.usedBytes).toBe(0);
    disk.faults.capacityBytes = 1000;
    await store.put('k', Buffer.alloc(100));
    expect(await store.get('k')).toHaveLength(100);
  });

  test('a read error is not "not found"', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const store = new FilesystemObjectStore({ disk: disk.client() });
    await store.put('k', Buffer.alloc(100));
    disk.faults.readError = 1;
    await expect(store.get('k')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.getRange('k', 0, 5)).rejects.toMatchObject({ code: 'unavailable' });
    disk.faults.readError = 0;
    expect(await store.getRange('k', 0, 5)).toHaveLength(5);
  });
});
