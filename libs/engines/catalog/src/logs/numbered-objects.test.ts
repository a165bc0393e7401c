/**
 * Readers ask for news every few seconds: it must cost two small requests, and lose nothing, also when old
 * objects are removed meanwhile.
 */
import { LokiError } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import { NumberedObjects, removeCovered } from './numbered-objects.ts';

const logKeys = { manifestPrefix: 'log/', checkpointPrefix: 'checkpoints/', sealPrefix: 'seals/' };
const eraSize = 4;

function numberIn(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1));
}

/** A store with objects 1 .. count, which counts what is asked of it. */
function storeOf(count: number, broken = 0) {
  const asked: string[] = [];
  const get = async (key: string) => {
    const number = numberIn(key);
    asked.push(key.startsWith('seals/') ? 'seal' : String(number));
    if (key.startsWith('log/') && number === broken) throw new LokiError('unavailable', 'the store is away');
    if (!key.startsWith('log/') || number > count) throw new LokiError('notFound', key);
    return Buffer.from(key);
  };
  const unused = () => Promise.reject(new Error('a reader writes nothing'));
  return { objects: new NumberedObjects({ get, putIfAbsent: unused, delete: unused }, logKeys), asked };
}

async function numbersFrom(objects: NumberedObjects, first: number): Promise<number[]> {
  const numbers: number[] = [];
  expect(await objects.read(first, (key) => void numbers.push(numberIn(key)))).toBe('end');
  return numbers;
}

test.each([0, 1, 2, 3, 7, 16, 17, 100, 512])('all of %i objects come, in their order', async (count) => {
  const { objects, asked } = storeOf(count);
  const expected = Array.from({ length: count }, (_, i) => i + 1);
  expect(await numbersFrom(objects, 1)).toEqual(expected);
  expect(asked.filter((each) => each !== 'seal').length).toBeLessThanOrEqual(count + 16);
  expect(asked.filter((each) => each === 'seal').length).toBeLessThanOrEqual(count / 16 + 6);
});

test('nothing new is two requests, and one new object four', async () => {
  const none = storeOf(4);
  expect(await numbersFrom(none.objects, 5)).toEqual([]);
  expect(none.asked).toEqual(['5', 'seal']);
  const one = storeOf(5);
  expect(await numbersFrom(one.objects, 5)).toEqual([5]);
  expect(one.asked).toEqual(['5', 'seal', '6', 'seal']);
});

test('objects before a failure are returned before the failure', async () => {
  const { objects } = storeOf(20, 6);
  const numbers: number[] = [];
  await expect(objects.read(1, (key) => void numbers.push(numberIn(key)))).rejects.toMatchObject({
    code: 'unavailable',
  });
  expect(numbers).toEqual([1, 2, 3, 4, 5]);
});

describe('removal', () => {
  const options = { nowMs: 1_000, removeAfterMs: 0 };
  const sound: (number: number) => Promise<boolean> = () => Promise.resolve(true);

  function logIn(objectStore: MemoryObjectStore, isSound = sound) {
    return { objectStore, keys: logKeys, eraSize, isSound };
  }

  /** Objects 1 .. count and some checkpoints. */
  async function logOf(count: number, checkpoints: readonly number[]): Promise<MemoryObjectStore> {
    const store = new MemoryObjectStore();
    const objects = new NumberedObjects(store, logKeys, eraSize);
    for (let number = 1; number <= count; number++) await objects.create(number, Buffer.from('x'));
    for (const number of checkpoints) {
      await store.put(`checkpoints/${String(number).padStart(20, '0')}`, Buffer.from('x'));
    }
    return store;
  }

  async function numbersIn(store: MemoryObjectStore): Promise<number[]> {
    const numbers: number[] = [];
    for await (const { key } of store.list('log/')) numbers.push(numberIn(key));
    return numbers;
  }

  test('eras go that the last checkpoint but one covers', async () => {
    const store = await logOf(20, [9, 14]);
    expect(await removeCovered(logIn(store), options)).toMatchObject({
      sealedEras: 2,
      removedObjects: 8,
      nextLast: 12,
      isPending: false,
    });
    expect(await numbersIn(store)).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    expect(await removeCovered(logIn(store), options)).toMatchObject({ removedObjects: 0 });
  });

  test('nothing goes while one of the two checkpoints is damaged, or there is one', async () => {
    const damaged = await logOf(20, [9, 14]);
    const isSound = (number: number) => Promise.resolve(number !== 14);
    expect(await removeCovered(logIn(damaged, isSound), options)).toMatchObject({ sealedEras: 0 });
    expect(await numbersIn(damaged)).toHaveLength(20);
    const one = await logOf(20, [14]);
    expect(await removeCovered(logIn(one), options)).toMatchObject({ sealedEras: 0 });
    expect(await numbersIn(one)).toHaveLength(20);
  });

  test('an era goes when its seal is old enough, also after a crash in the middle of it', async () => {
    const store = await logOf(20, [9, 14]);
    const later = { ...options, removeAfterMs: 500 };
    expect(await removeCovered(logIn(store), later)).toMatchObject({
      sealedEras: 2,
      removedObjects: 0,
      isPending: true,
    });
    await store.delete('log/00000000000000000002');
    const oldEnough = { ...later, nowMs: 1_500 };
    expect(await removeCovered(logIn(store), oldEnough)).toMatchObject({
      removedObjects: 7,
      isPending: false,
    });
    expect((await numbersIn(store))[0]).toBe(9);
  });

  test('a reader below a seal is told, whether or not the next object is there', async () => {
    const store = await logOf(20, [9, 14]);
    await removeCovered(logIn(store), { ...options, removeAfterMs: 1e9 });
    const objects = new NumberedObjects(store, logKeys, eraSize);
    const taken: string[] = [];
    const take = (key: string) => void taken.push(key);
    expect(await objects.read(3, take)).toBe('sealed');
    await removeCovered(logIn(store), options);
    expect(await objects.read(3, take)).toBe('sealed');
    expect(taken).toEqual([]);
    expect(await objects.read(9, take)).toBe('end');
    expect(taken).toHaveLength(12);
  });

  test('a writer that slept does not commit at a number that was removed', async () => {
    const store = await logOf(20, [9, 14]);
    await removeCovered(logIn(store), options);
    const objects = new NumberedObjects(store, logKeys, eraSize);
    expect(await objects.create(8, Buffer.from('late'))).toBe('sealed');
    expect((await numbersIn(store))[0]).toBe(9);
    expect(await objects.create(20, Buffer.from('late'))).toBe('taken');
    expect(await objects.create(21, Buffer.from('new'))).toBe('created');
  });
});
