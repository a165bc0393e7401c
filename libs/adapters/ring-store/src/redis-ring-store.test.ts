/** Against a real Redis: `LOKI_TEST_REDIS_URL=redis://127.0.0.1:6379`; `npm run test:services` starts one. */
import type { RingNews } from '@loki/ports';
import { NodeRandom, NodeTimers } from '@loki/runtime';
import { eventually } from '@loki/test-tools';
import { RedisRingStore } from './redis-ring-store.ts';
import type { RedisRingStoreOptions } from './redis-ring-store.ts';
import { ringStoreContract } from './test/ring-store-contract.ts';

const timers = new NodeTimers();
const random = new NodeRandom();

function storeOf(more: Partial<RedisRingStoreOptions>): RedisRingStore {
  const keyPrefix = `loki-test-${Buffer.from(random.bytes(6)).toString('hex')}:`;
  return new RedisRingStore({ endpoints: [], timers, random, keyPrefix, timeoutMs: 2_000, ...more });
}

const url = process.env['LOKI_TEST_REDIS_URL'];
const single = url ? { endpoints: [new URL(url).host] } : undefined;
const sentinels = process.env['LOKI_TEST_REDIS_SENTINELS'];
const watched = sentinels
  ? { endpoints: sentinels.split(','), masterName: process.env['LOKI_TEST_REDIS_MASTER'] ?? 'loki' }
  : undefined;
const nodes = process.env['LOKI_TEST_REDIS_NODES'];
const cluster = nodes ? { endpoints: nodes.split(',') } : undefined;

describe.each([
  ['one server', single, 'LOKI_TEST_REDIS_URL'],
  ['sentinels', watched, 'LOKI_TEST_REDIS_SENTINELS'],
  ['cluster', cluster, 'LOKI_TEST_REDIS_NODES'],
] as const)('Redis, %s', (name, endpoint, variable) => {
  if (!endpoint) {
    test.skip(`skipped, ${variable} is not set`, () => undefined);
    return;
  }
  ringStoreContract(`Redis, ${name}`, async () => {
    const store = storeOf(endpoint);
    return { store, dispose: () => store.close() };
  });

  test('news are told to other processes at once, and a watch begins with the hint to read', async () => {
    const keyPrefix = `loki-test-${Buffer.from(random.bytes(6)).toString('hex')}:`;
    const writer = storeOf({ ...endpoint, keyPrefix });
    const reader = storeOf({ ...endpoint, keyPrefix });
    try {
      const seen: (RingNews | undefined)[] = [];
      reader.watch('k', (news) => seen.push(news));
      await eventually(() => seen.length >= 1);
      expect(seen).toEqual([undefined]);
      await writer.put({ key: 'k', id: 'a', value: 'one', isNews: true });
      await eventually(() => seen.at(-1)?.get('a') === 'one');
    } finally {
      await Promise.all([writer.close(), reader.close()]);
    }
  });
});

test('with nobody there, questions end at their deadline and watchers hear nothing', async () => {
  const store = storeOf({ endpoints: ['127.0.0.1:1'], timeoutMs: 200 });
  const seen: unknown[] = [];
  store.watch('k', (news) => seen.push(news));
  await expect(store.entries('k')).rejects.toMatchObject({ code: 'unavailable' });
  await expect(store.put({ key: 'k', id: 'a', value: 'v', isNews: true })).rejects.toMatchObject({
    code: 'unavailable',
  });
  expect(seen).toEqual([]);
  await store.close();
  await expect(store.entries('k')).rejects.toThrow('closed');
});

test.each(['', ':1', 'host:0', 'host:99999', 'a b:1:2'])('%j is no address', (endpoint) => {
  expect(() => storeOf({ endpoints: [endpoint] })).toThrow(TypeError);
});
