import { MemoryRingStore } from './memory-ring-store.ts';
import { ringStoreContract } from './test/ring-store-contract.ts';

ringStoreContract('memory', async () => {
  const store = new MemoryRingStore();
  return { store, dispose: () => store.close() };
});

test('a closed store calls no watcher', async () => {
  const store = new MemoryRingStore();
  const seen: unknown[] = [];
  store.watch('k', (news) => seen.push(news));
  await store.close();
  await store.put({ key: 'k', id: 'a', value: 'one', isNews: true });
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(seen).toEqual([]);
});
