/** Protects rings without a store of their own: what one process keeps, all see. */
import { MemoryRingStore } from '@loki/ring-store';
import { eventually } from '@loki/test-tools';
import { JoinedRingStore, serveRingStore } from './ring-rpc.ts';
import { TestWorld, timers } from './test/rpc.ts';

let world: TestWorld;
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

test('writes compare the version they were made from', async () => {
  const address = await world.serve((server) => serveRingStore(server, new MemoryRingStore()));
  const [a, b] = [0, 1].map(() => new JoinedRingStore([world.channel(address)], timers));
  expect(await a.get('ring')).toBeUndefined();
  expect(await a.compareAndSet('ring', 'one', undefined)).toBe(true);
  expect(await b.compareAndSet('ring', 'lost', undefined)).toBe(false);
  const found = await b.get('ring');
  expect(found?.value).toBe('one');
  expect(await b.compareAndSet('ring', 'two', found!.version)).toBe(true);
  expect(await a.compareAndSet('ring', 'late', found!.version)).toBe(false);
  expect((await a.get('ring'))?.value).toBe('two');
});

test('changes by others are seen', async () => {
  const store = new MemoryRingStore();
  const address = await world.serve((server) => serveRingStore(server, store));
  const joined = new JoinedRingStore([world.channel(address)], timers);
  const seen: (string | undefined)[] = [];
  const stop = joined.watch('ring', (value) => seen.push(value));
  await eventually(() => seen.length > 0);
  await store.compareAndSet('ring', 'one', undefined);
  await eventually(() => seen.includes('one'));
  stop();
});

test('the next member is asked when the first is away, and is not mistaken for it', async () => {
  const gone = new TestWorld();
  const first = await gone.serve((server) => serveRingStore(server, new MemoryRingStore()));
  const second = await world.serve((server) => serveRingStore(server, new MemoryRingStore()));
  const joined = new JoinedRingStore([world.channel(first), world.channel(second)], timers);
  expect(await joined.compareAndSet('ring', 'of first', undefined)).toBe(true);
  const { version } = (await joined.get('ring'))!;
  await gone.kill();
  expect(await joined.get('ring')).toBeUndefined();
  await expect(joined.compareAndSet('ring', 'x', version)).rejects.toMatchObject({ code: 'unavailable' });
  expect(await joined.compareAndSet('ring', 'of second', undefined)).toBe(true);
  expect((await joined.get('ring'))?.value).toBe('of second');
}, 20_000);
