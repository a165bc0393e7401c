/** Protects rings without a store of their own: what one process keeps, all see. */
import { encodeInstance, tokensOf } from '@loki/ring';
import { MemoryRingStore } from '@loki/ring-store';
import { eventually } from '@loki/test-tools';
import { JoinedRingStore, serveRingStore } from './ring-rpc.ts';
import { TestWorld, timers } from './test/rpc.ts';

let world: TestWorld;
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const key = 'ring';

function entryOf(id: string, beat = 1): { key: string; id: string; value: string; isNews: boolean } {
  const value = encodeInstance({
    id,
    address: `${id}:9095`,
    zone: '',
    state: 'ACTIVE',
    readOnly: false,
    tokens: tokensOf(id),
    incarnation: 'x',
    beat,
    heartbeatMs: 1,
    registeredMs: 1,
  });
  return { key, id, value, isNews: true };
}

test('members that write the one value take nothing from each other', async () => {
  const address = await world.serve((server) => serveRingStore(server, new MemoryRingStore()));
  const stores = [0, 1, 2].map(() => new JoinedRingStore([world.channel(address)], timers));
  expect(await stores[0].entries(key)).toEqual(new Map());
  await Promise.all(stores.map((store, i) => store.put(entryOf(`m${i}`))));
  const [a, b] = stores;
  expect([...(await b.entries(key)).keys()].sort()).toEqual(['m0', 'm1', 'm2']);
  await a.put(entryOf('m1', 2));
  expect(await b.remove(key, 'm1', entryOf('m1').value)).toBe(false);
  expect(await b.remove(key, 'm1', entryOf('m1', 2).value)).toBe(true);
  expect(await a.get(key, 'm1')).toBeUndefined();
  expect(await a.get(key, 'm0')).toBe(entryOf('m0').value);
});

test('changes by others are seen', async () => {
  const store = new MemoryRingStore();
  const address = await world.serve((server) => serveRingStore(server, store));
  const joined = new JoinedRingStore([world.channel(address)], timers);
  const seen = new Map<string, string | undefined>();
  const stop = joined.watch(key, (news) => {
    for (const [id, entry] of news ?? []) seen.set(id, entry);
  });
  await store.put(entryOf('a'));
  await eventually(() => seen.get('a') === entryOf('a').value);
  await store.remove(key, 'a', entryOf('a').value);
  await eventually(() => seen.has('a') && seen.get('a') === undefined);
  stop();
});

test('the next member is asked when the first is away, and is not mistaken for it', async () => {
  const gone = new TestWorld();
  const first = await gone.serve((server) => serveRingStore(server, new MemoryRingStore()));
  const second = await world.serve((server) => serveRingStore(server, new MemoryRingStore()));
  const joined = new JoinedRingStore([world.channel(first), world.channel(second)], timers);
  await joined.put(entryOf('of-first'));
  await gone.kill();
  expect(await joined.entries(key)).toEqual(new Map());
  await joined.put(entryOf('of-second'));
  expect([...(await joined.entries(key)).keys()]).toEqual(['of-second']);
});
