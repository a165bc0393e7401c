/** The contract test of object stores: each adapter runs it. */
import type { ObjectInfo, ObjectStore } from '@loki/ports';

/** A store that holds nothing below the keys that a suite uses, and how to put it away. */
export interface ObjectStoreSubject {
  readonly store: ObjectStore;
  dispose(): Promise<void>;
}

async function keysOf(list: AsyncIterable<ObjectInfo>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of list) keys.push(key);
  return keys;
}

/**
 * The promises of every object store. Each adapter's test runs it.
 *
 * @param options `nestsKeys: false` for stores that do not list `a/b` beside an object `a` (MinIO): no caller
 *   makes such keys
 */
export function objectStoreContract(
  name: string,
  open: () => Promise<ObjectStoreSubject>,
  { nestsKeys = true }: { nestsKeys?: boolean } = {},
): void {
  describe(`object store contract: ${name}`, () => {
    let subject: ObjectStoreSubject;
    let store: ObjectStore;
    beforeEach(async () => {
      subject = await open();
      store = subject.store;
    });
    afterEach(() => subject.dispose());

    test('an object comes back whole, in ranges and by its tail', async () => {
      const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) & 0xff));
      await store.put('a/b/object', bytes);
      expect(await store.get('a/b/object')).toEqual(bytes);
      expect(await store.getRange('a/b/object', 500, 1000)).toEqual(bytes.subarray(500, 1500));
      expect(await store.getRange('a/b/object', 99_990, 1000)).toEqual(bytes.subarray(99_990));
      expect(await store.getRange('a/b/object', 0, 100_000)).toEqual(bytes);
      expect(await store.getRange('a/b/object', 200_000, 10)).toHaveLength(0);
      expect(await store.getRange('a/b/object', 5, 0)).toHaveLength(0);
      expect(await store.getTail('a/b/object', 10)).toEqual({
        bytes: bytes.subarray(-10),
        sizeBytes: 100_000,
      });
      expect(await store.getTail('a/b/object', 1e9)).toEqual({ bytes, sizeBytes: 100_000 });
      await expect(store.getRange('a/b/object', -1, 10)).rejects.toThrow(RangeError);
    });

    test('what is handed in or out can change without changing the object', async () => {
      const bytes = Buffer.from('stored');
      await store.put('o', bytes);
      bytes.fill(0);
      const read = await store.get('o');
      expect(read.toString()).toBe('stored');
      read.fill(0);
      expect((await store.getRange('o', 0, 6)).toString()).toBe('stored');
    });

    test('an empty object is an object', async () => {
      await store.put('empty', Buffer.alloc(0));
      expect(await store.get('empty')).toHaveLength(0);
      expect(await store.getRange('empty', 0, 10)).toHaveLength(0);
      expect(await store.getTail('empty', 10)).toEqual({ bytes: Buffer.alloc(0), sizeBytes: 0 });
    });

    test('what is not there is not found', async () => {
      await store.put('a/b', Buffer.from('x'));
      for (const key of ['a', 'a/b/c', 'nothing']) {
        await expect(store.get(key)).rejects.toMatchObject({ code: 'notFound' });
        await expect(store.getRange(key, 0, 1)).rejects.toMatchObject({ code: 'notFound' });
        await expect(store.getTail(key, 1)).rejects.toMatchObject({ code: 'notFound' });
        await store.delete(key);
      }
      expect((await store.get('a/b')).toString()).toBe('x');
    });

    test('put replaces, also for readers that had the old object open', async () => {
      await store.put('o', Buffer.from('first'));
      expect((await store.getRange('o', 0, 5)).toString()).toBe('first');
      await store.put('o', Buffer.from('second'));
      expect((await store.getRange('o', 0, 10)).toString()).toBe('second');
      expect((await store.getTail('o', 3)).bytes.toString()).toBe('ond');
      expect((await store.get('o')).toString()).toBe('second');
    });

    test('of many who create one key, one does, and its bytes stay', async () => {
      const made = await Promise.all(
        Array.from({ length: 10 }, (_, i) => store.putIfAbsent('race', Buffer.from(`writer ${i}`))),
      );
      expect(made.filter(Boolean)).toHaveLength(1);
      expect((await store.get('race')).toString()).toBe(`writer ${made.indexOf(true)}`);
      expect(await store.putIfAbsent('race', Buffer.from('late'))).toBe(false);
      await store.delete('race');
      expect(await store.putIfAbsent('race', Buffer.from('late'))).toBe(true);
    });

    test('keys are listed in byte order, by prefix, from anywhere', async () => {
      const all = [
        'a',
        'a/b',
        'a/b/c',
        'a-b',
        'a.b/c',
        'aB',
        'ab',
        'b/00000000000000000009',
        'b/00000000000000000010',
        "c!_*'()/x",
      ];
      const keys = nestsKeys ? all : all.filter((key) => !all.some((other) => other.startsWith(`${key}/`)));
      for (const key of keys) await store.put(key, Buffer.from(key));
      const sorted = [...keys].sort();
      expect(await keysOf(store.list(''))).toEqual(sorted);
      for (const prefix of ['a/', 'a/b', 'b/0000', 'nothing/']) {
        expect(await keysOf(store.list(prefix))).toEqual(sorted.filter((key) => key.startsWith(prefix)));
      }
      for (const after of [...sorted, 'a/a', 'a/b/', 'b']) {
        expect(await keysOf(store.list('', after))).toEqual(sorted.filter((key) => key > after));
      }
      const sizes: ObjectInfo[] = [];
      for await (const info of store.list('a/')) sizes.push(info);
      const below = sorted.filter((key) => key.startsWith('a/'));
      expect(below.length).toBeGreaterThan(0);
      expect(sizes).toEqual(below.map((key) => ({ key, sizeBytes: key.length })));
    });

    test('a deleted object is gone', async () => {
      await store.put('x/y', Buffer.from('1'));
      await store.getRange('x/y', 0, 1);
      await store.delete('x/y');
      await expect(store.get('x/y')).rejects.toMatchObject({ code: 'notFound' });
      await expect(store.getRange('x/y', 0, 1)).rejects.toMatchObject({ code: 'notFound' });
      expect(await keysOf(store.list(''))).toEqual([]);
    });

    test.each([
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      '.',
      'a/../b',
      'a/./b',
      'a b',
      'a\0',
      'a~',
      'ä',
      'a\\b',
      'x'.repeat(2000),
    ])('no key but a proper one is taken (%#)', async (key) => {
      await expect(store.put(key, Buffer.alloc(1))).rejects.toMatchObject({ code: 'internal' });
      await expect(store.putIfAbsent(key, Buffer.alloc(1))).rejects.toMatchObject({ code: 'internal' });
      await expect(store.get(key)).rejects.toMatchObject({ code: 'internal' });
      await expect(store.getRange(key, 0, 1)).rejects.toMatchObject({ code: 'internal' });
      await expect(store.getTail(key, 1)).rejects.toMatchObject({ code: 'internal' });
      await expect(store.delete(key)).rejects.toMatchObject({ code: 'internal' });
    });

    test('an aborted call does nothing', async () => {
      const signal = AbortSignal.abort(new Error('gone'));
      await expect(store.put('k', Buffer.alloc(1), signal)).rejects.toThrow('gone');
      await expect(store.putIfAbsent('k', Buffer.alloc(1), signal)).rejects.toThrow('gone');
      await expect(store.get('k', signal)).rejects.toThrow('gone');
      expect(await keysOf(store.list(''))).toEqual([]);
    });
  });
}
