/** Readers ask for news every few seconds: it must cost one small request, and lose nothing. */
import { LokiError } from '@loki/model';
import { objectsFrom } from './read-ahead.ts';

/** A store with objects 1 .. count, which counts what is asked of it. */
function storeOf(count: number, broken = 0) {
  const asked: number[] = [];
  const store = {
    get: async (key: string) => {
      const number = Number(key);
      asked.push(number);
      if (number === broken) throw new LokiError('unavailable', 'the store is away');
      if (number > count) throw new LokiError('notFound', key);
      return Buffer.from(key);
    },
  };
  return { store, asked };
}

async function numbersOf(objects: AsyncIterable<{ readonly number: number }>): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { number } of objects) numbers.push(number);
  return numbers;
}

test.each([0, 1, 2, 3, 7, 16, 17, 100, 512])('all of %i objects come, in their order', async (count) => {
  const { store, asked } = storeOf(count);
  const expected = Array.from({ length: count }, (_, i) => i + 1);
  expect(await numbersOf(objectsFrom(store, String, 1))).toEqual(expected);
  expect(asked.length).toBeLessThanOrEqual(count + 16);
});

test('nothing new is one request, and one new object two', async () => {
  const none = storeOf(4);
  expect(await numbersOf(objectsFrom(none.store, String, 5))).toEqual([]);
  expect(none.asked).toEqual([5]);
  const one = storeOf(5);
  expect(await numbersOf(objectsFrom(one.store, String, 5))).toEqual([5]);
  expect(one.asked).toEqual([5, 6]);
});

test('what stands before a failure comes first', async () => {
  const { store } = storeOf(20, 6);
  const numbers: number[] = [];
  const read = async () => {
    for await (const { number } of objectsFrom(store, String, 1)) numbers.push(number);
  };
  await expect(read()).rejects.toMatchObject({ code: 'unavailable' });
  expect(numbers).toEqual([1, 2, 3, 4, 5]);
});
