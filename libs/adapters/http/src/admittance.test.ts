/**
 * Protects pushes from the flood of their own tenant: admitted ones are answered soon, others are refused in
 * time, and neither takes the share of another tenant.
 */
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { Admittance } from './admittance.ts';
import type { Connection, Place } from './admittance.ts';

function testAdmittance({ isBusy = () => false }: { isBusy?: (holder: string) => boolean } = {}) {
  const scheduler = new VirtualScheduler(1);
  const process = new VirtualProcess(scheduler, 'server');
  const { clock, timers } = process;
  const admittance = new Admittance({ clock, timers, isBusy });
  const enterAll = (count: number, holder = 'noisy'): Place[] =>
    Array.from({ length: count }, () => admittance.enter(holder, new Eager(() => undefined))).filter(
      (place) => place !== undefined,
    );
  const run = (ms: number) => scheduler.run({ untilMs: scheduler.nowMs + ms });
  return { scheduler, process, admittance, enterAll, run };
}

/** A connection whose client sends again as soon as it is answered. */
class Eager implements Connection {
  readonly destroyed = false;
  readonly #onRead: () => void;
  isRead = true;

  constructor(onRead: () => void) {
    this.#onRead = onRead;
  }

  pause(): void {
    this.isRead = false;
  }

  resume(): void {
    this.isRead = true;
    this.#onRead();
  }
}

interface Flood {
  readonly clients: number;
  /** Requests that the server handles, one after the other. */
  readonly perSecond: number;
  /** Whether the process knows how many requests wait in it; a gateway does not. */
  readonly knowsWaiting: boolean;
}

/** Twenty seconds of clients that come back at once, refused or not. */
async function flood({ clients, perSecond, knowsWaiting }: Flood) {
  const queue: { place: Place; sinceMs: number; answered: () => void }[] = [];
  const isBusy = () => knowsWaiting && queue.length >= 32;
  const { scheduler, process, admittance, run } = testAdmittance({ isBusy });
  const waitsMs = { answered: [] as number[], refused: [] as number[] };
  let insideMost = 0;
  const client = (): void => {
    let sinceMs = 0;
    const ask = (): void => {
      const place = admittance.enter('noisy', connection);
      if (place) {
        admittance.received(place);
        queue.push({ place, sinceMs, answered: () => answered('answered') });
        insideMost = Math.max(insideMost, queue.length);
      } else answered('refused');
    };
    const connection = new Eager(ask);
    const answered = (as: 'answered' | 'refused'): void => {
      waitsMs[as].push(scheduler.nowMs - sinceMs);
      sinceMs = scheduler.nowMs;
      admittance.rest('noisy', connection);
      if (connection.isRead) process.after(1, 'send', ask);
    };
    ask();
  };
  const serve = (): void => {
    const first = queue.shift();
    if (first) {
      admittance.leave(first.place, true);
      first.answered();
    }
    process.after(1000 / perSecond, 'serve', serve);
  };
  for (let i = 0; i < clients; i++) client();
  serve();
  await run(10_000);
  waitsMs.answered.length = 0;
  waitsMs.refused.length = 0;
  insideMost = 0;
  await run(20_000);
  return { ...waitsMs, insideMost };
}

const most = (numbers: readonly number[]): number => numbers.reduce((a, b) => Math.max(a, b), 0);

test.each([true, false])(
  'thousands of clients that come back at once: the server is busy, and they are answered in time (%s)',
  async (knowsWaiting) => {
    const { answered, refused, insideMost } = await flood({ clients: 6_000, perSecond: 500, knowsWaiting });
    expect(answered.length).toBeGreaterThan(0.98 * 500 * 20);
    expect(Math.max(most(answered), most(refused))).toBeLessThan(8_000);
    // Each refusal takes time of the server.
    expect(refused.length / 20).toBeLessThan(knowsWaiting ? 450 : 550);
    expect(insideMost).toBeLessThanOrEqual(knowsWaiting ? 100 : 1_150);
  },
);

test.each([true, false])(
  'as many clients as are answered in two seconds are not refused (%s)',
  async (knowsWaiting) => {
    const { answered, refused } = await flood({ clients: 900, perSecond: 500, knowsWaiting });
    expect(refused).toEqual([]);
    expect(answered.length).toBeGreaterThan(0.98 * 500 * 20);
  },
);

test('a burst after silence finds places, of each tenant as many', () => {
  const { enterAll } = testAdmittance();
  expect(enterAll(300)).toHaveLength(256);
  expect(enterAll(1)).toHaveLength(0);
  expect(enterAll(300, 'quiet')).toHaveLength(256);
});

test('places grow with answers, and are gone with them', async () => {
  const { admittance, enterAll, run } = testAdmittance();
  for (let i = 0; i < 4; i++) {
    // One request is always there: a tenant without any is forgotten.
    if (i === 0) enterAll(1);
    for (const place of enterAll(250)) admittance.leave(place, true);
    await run(250);
  }
  const places = enterAll(2_000);
  expect(places).toHaveLength(1_000);
  for (const place of places) admittance.received(place);
  await run(2_500);
  expect(enterAll(1)).toHaveLength(0);
});

test('requests that others could not handle earn no places', () => {
  const { admittance, enterAll } = testAdmittance();
  enterAll(1);
  for (const place of enterAll(255)) admittance.leave(place, false);
  for (const place of enterAll(255)) admittance.leave(place, false);
  expect(enterAll(2_000)).toHaveLength(255);
});

test('bodies that come slowly hold no places, until they are there', async () => {
  const { admittance, enterAll, run } = testAdmittance();
  const slow = enterAll(256);
  await run(300);
  const others = enterAll(256);
  expect(others).toHaveLength(256);
  for (const place of others) admittance.leave(place, false);
  for (const place of slow) admittance.received(place);
  expect(enterAll(1)).toHaveLength(0);
  for (const place of slow) admittance.leave(place, false);
  expect(enterAll(1_000)).toHaveLength(256);
});

test('connections rest only while their tenant has enough requests', async () => {
  let isBusy = false;
  const { admittance, enterAll, run } = testAdmittance({ isBusy: (holder) => isBusy && holder === 'noisy' });
  const connection = new Eager(() => undefined);
  admittance.rest('noisy', connection);
  expect(connection.isRead).toBe(true);
  const places = enterAll(200);
  enterAll(1, 'quiet');
  admittance.rest('noisy', connection);
  expect(connection.isRead).toBe(true);
  isBusy = true;
  admittance.rest('quiet', connection);
  expect(connection.isRead).toBe(true);
  admittance.rest('noisy', connection);
  expect(connection.isRead).toBe(false);
  for (const place of places) admittance.leave(place, true);
  isBusy = false;
  await run(50);
  expect(connection.isRead).toBe(true);
});

test('connections that rest are read after some seconds, in order, and all when the server stops', async () => {
  const { admittance, enterAll, run } = testAdmittance({ isBusy: () => true });
  enterAll(1);
  const read: number[] = [];
  const rest = (count: number): void => {
    for (let i = 0; i < count; i++) admittance.rest('noisy', new Eager(() => read.push(read.length)));
  };
  rest(1_000);
  await run(4_900);
  expect(read).toEqual([]);
  await run(1_000);
  // Twice an even share a second: those that rested together do not come together.
  expect(read.length).toBeGreaterThan(200);
  expect(read.length).toBeLessThan(500);
  await run(10_000);
  expect(read).toHaveLength(1_000);
  rest(10);
  admittance.stop();
  expect(read).toHaveLength(1_010);
});

test('a refused client learns how long the requests before it take', async () => {
  const { admittance, enterAll, run } = testAdmittance();
  expect(admittance.backlogMs('noisy')).toBe(0);
  const places = enterAll(256);
  await run(100);
  for (const place of places.slice(0, 200)) admittance.leave(place, true);
  enterAll(200);
  for (let i = 0; i < 744; i++) admittance.rest('noisy', new Eager(() => undefined));
  // 256 and 744 wait, 100 a second are answered.
  expect(admittance.backlogMs('noisy')).toBe(10_000);
});
