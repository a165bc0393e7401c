import { inSlices, nextTurn } from './slices.ts';
import type { SlicedWork } from './slices.ts';

/** Sleeps end one at a time, on command: each is a turn of the event loop. */
class HandTimers {
  readonly #sleeping: (() => void)[] = [];
  sleep(): Promise<void> {
    return new Promise((resolve) => this.#sleeping.push(resolve));
  }
  after(): never {
    throw new Error('not needed');
  }
  /** All sleeps that are due end, as in one turn of an event loop. */
  async turn(): Promise<void> {
    for (const resolve of this.#sleeping.splice(0)) resolve();
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}

class CountingClock {
  ms = 0;
  nowMs(): number {
    return this.ms;
  }
  nowNs(): bigint {
    return BigInt(this.ms) * 1_000_000n;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

/** Each step takes as long as a slice may last. */
function* slow(steps: number, clock: CountingClock, log: string[], name: string): SlicedWork<string> {
  for (let step = 1; step <= steps; step++) {
    clock.ms += 10;
    log.push(`${name}${step}`);
    yield;
  }
  return name;
}

test('of several works one has a slice in each turn of the event loop, in the order in which they paused', async () => {
  const clock = new CountingClock();
  const timers = new HandTimers();
  const log: string[] = [];
  const works = ['a', 'b', 'c'].map((name) => inSlices(slow(2, clock, log, name), { clock, timers }));
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(log.splice(0)).toEqual(['a1', 'b1', 'c1']);
  const perTurn: string[][] = [];
  for (let turn = 0; turn < 6; turn++) {
    await timers.turn();
    perTurn.push(log.splice(0));
  }
  expect(perTurn).toEqual([['a2'], ['b2'], ['c2'], [], [], []]);
  await expect(Promise.all(works)).resolves.toEqual(['a', 'b', 'c']);
});

test('a pause that waits for more than its turn does not hold up others', async () => {
  const clock = new CountingClock();
  const timers = new HandTimers();
  const log: string[] = [];
  const room = Promise.withResolvers<void>();
  const held = inSlices(slow(2, clock, log, 'a'), { clock, timers }, () => room.promise);
  const free = inSlices(slow(2, clock, log, 'b'), { clock, timers });
  for (let turn = 0; turn < 3; turn++) await timers.turn();
  expect(log).toEqual(['a1', 'b1', 'b2']);
  await expect(free).resolves.toBe('b');
  room.resolve();
  for (let turn = 0; turn < 4; turn++) await timers.turn();
  await expect(held).resolves.toBe('a');
});

test('turns of one thread do not wait for those of another', async () => {
  const [one, other] = [new HandTimers(), new HandTimers()];
  const first = nextTurn(one);
  let isOver = false;
  const second = nextTurn(other).then(() => {
    isOver = true;
  });
  await other.turn();
  expect(isOver).toBe(true);
  await one.turn();
  await Promise.all([first, second]);
});

test('works go first while a thousand tails wait, and tails go on', async () => {
  const timers = new HandTimers();
  const turns: string[] = [];
  const wait = (name: string, rank: 'work' | 'tail') =>
    nextTurn(timers, { rank }).then(() => void turns.push(name));
  const tails = Array.from({ length: 1_000 }, () => wait('tail', 'tail'));
  const works = Array.from({ length: 20 }, (_, i) => wait(`work ${i}`, 'work'));
  for (let turn = 0; turn < 24; turn++) await timers.turn();
  await Promise.all(works);
  expect(turns.filter((name) => name !== 'tail')).toEqual(works.map((_, i) => `work ${i}`));
  expect(turns.indexOf('tail')).toBe(7);
  expect(turns.filter((name) => name === 'tail').length).toBeGreaterThanOrEqual(2);
  for (let turn = 0; turn < 1_000; turn++) await timers.turn();
  await Promise.all(tails);
});

test('tenants take turns: one work of a tenant does not wait for all works of another', async () => {
  const timers = new HandTimers();
  const turns: string[] = [];
  const wait = (name: string, tenant?: string) =>
    nextTurn(timers, { tenant }).then(() => void turns.push(name));
  const works = [1, 2, 3, 4].map((i) => wait(`loud ${i}`, 'loud'));
  works.push(wait('quiet', 'quiet'), wait('without'));
  for (let turn = 0; turn < 6; turn++) await timers.turn();
  expect(turns).toEqual(['loud 1', 'quiet', 'without', 'loud 2', 'loud 3', 'loud 4']);
  await Promise.all(works);
});
