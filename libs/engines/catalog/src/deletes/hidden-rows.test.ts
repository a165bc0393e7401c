import { MemoryObjectStore } from '@loki/object-store';
import type { Clock, ObjectStore, Timers } from '@loki/ports';
import { DeleteRequests } from './delete-requests.ts';
import { HiddenRows } from './hidden-rows.ts';

// Protects: once a delete was answered, no process shows the deleted rows to a query, at a bounded
// cost.

const clock = { nowMs: () => 1_700_000_000_000 } as Clock;
const timers = {
  after: (ms: number, fire: () => void) => {
    const timer = setTimeout(fire, ms);
    return { cancel: () => clearTimeout(timer) };
  },
} as Timers;

/**
 * Counts what it is asked; `hold` lets reads wait, with the answer of the moment when they came, until it is
 * called.
 */
function observed(store: ObjectStore) {
  const counts = { get: 0, list: 0 };
  let gate: Promise<void> | undefined;
  const seen: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
    get: async (key: string) => {
      counts.get++;
      const [answer] = await Promise.allSettled([store.get(key)]);
      await gate;
      if (answer.status === 'rejected') throw answer.reason;
      return answer.value;
    },
    list: (prefix: string, startAfter?: string) => {
      counts.list++;
      return store.list(prefix, startAfter);
    },
  });
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return resolve;
  };
  return { store: seen, counts, hold };
}

async function setUp(lookMs = 1_000) {
  const objectStore = new MemoryObjectStore();
  const api = new DeleteRequests({ objectStore, clock, timers });
  const { store, counts, hold } = observed(objectStore);
  const requests = new DeleteRequests({ objectStore: store, clock, timers, lookMs });
  await requests.load();
  const hidden = new HiddenRows({ clock, requests });
  const create = (id: string, tenant = 'a') =>
    api.create(tenant, { id, query: '{app="x"}', startMs: 0, endMs: 5, parts: 1 });
  const ask = (signal?: AbortSignal) => hidden.applied('a', work(hidden), signal);
  return { api, hidden, create, counts, hold, ask };
}

/** Answers with the rows to leave out, a moment later. */
function work(hidden: HiddenRows, runs: AbortSignal[] = []) {
  return async (signal: AbortSignal | undefined) => {
    runs.push(signal!);
    const known = hidden.between('a', 0n, 10n).length;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return known;
  };
}

test('a delete that another process answered is applied by the next question, and so is its cancelling', async () => {
  const { api, create, ask } = await setUp();
  await expect(ask()).resolves.toBe(0);
  await create('r1');
  await expect(ask()).resolves.toBe(1);
  await create('r2');
  await create('r3');
  await expect(ask()).resolves.toBe(3);
  await api.cancel('a', 'r1');
  await expect(ask()).resolves.toBe(2);
});

test('work that began without a delete is stopped, and done once more', async () => {
  const { hidden, create } = await setUp();
  await create('r1');
  const runs: AbortSignal[] = [];
  await expect(hidden.applied('a', work(hidden, runs))).resolves.toBe(1);
  expect(runs.map((each) => each?.aborted ?? false)).toEqual([true, false]);
  const again: AbortSignal[] = [];
  await hidden.applied('a', work(hidden, again));
  await create('of-another-tenant', 'b');
  await hidden.applied('a', work(hidden, again));
  expect(again.map(({ aborted }) => aborted)).toEqual([false, false]);
});

test('a question costs one small read, and a hundred at once cost two', async () => {
  const { counts, ask } = await setUp();
  const before = { ...counts };
  await ask();
  expect(counts).toEqual({ get: before.get + 1, list: before.list });
  await Promise.all(Array.from({ length: 100 }, () => ask()));
  expect(counts.get).toBeLessThanOrEqual(before.get + 3);
});

test('a look that began before a delete was answered does not count for who asks after it', async () => {
  const { create, hold, ask } = await setUp();
  const release = hold();
  const before = ask();
  await new Promise((resolve) => setTimeout(resolve, 10)); // its look has found nothing, and is not back
  await create('r1');
  const after = ask();
  release();
  await expect(after).resolves.toBe(1);
  await before;
});

test('a store that does not answer fails the question in time; what it fails with is told once it is known to count', async () => {
  const { hidden, hold, ask } = await setUp(30);
  const release = hold();
  const runs: AbortSignal[] = [];
  await expect(hidden.applied('a', work(hidden, runs))).rejects.toMatchObject({ code: 'unavailable' });
  expect(runs[0].aborted).toBe(true);
  release();
  await expect(ask()).resolves.toBe(0);
  const fails = () => Promise.reject(new Error('of the work'));
  await expect(hidden.applied('a', fails)).rejects.toThrow('of the work');
});

test('whoever goes away hears of it at once, and others are answered', async () => {
  const { hold, ask } = await setUp();
  const release = hold();
  const gone = new AbortController();
  const [leaves, stays] = [ask(gone.signal), ask()];
  gone.abort(new Error('the client went away'));
  await expect(leaves).rejects.toThrow('the client went away');
  await expect(ask(gone.signal)).rejects.toThrow('the client went away');
  release();
  await expect(stays).resolves.toBe(0);
});

test('without delete requests no request reaches the store', async () => {
  const hidden = new HiddenRows({ clock });
  await hidden.current();
  await expect(hidden.applied('a', work(hidden))).resolves.toBe(0);
});

const hourMs = 3_600_000;

test.each([
  ['a moment later', 1_000, 1_000, 1],
  ['14 minutes later', 14 * 60_000, 14 * 60_000, 1],
  ['a wall clock set forward by hours does not end it', 6 * hourMs, 1_000, 1],
  ['a wall clock that is a day ahead does not end it', 24 * hourMs + 1_000, 1_000, 1],
  ['a wall clock set back does not prolong it', -6 * hourMs, 16 * 60_000, 0],
  ['16 minutes later', 16 * 60_000, 16 * 60_000, 0],
  ['three days later, whatever this process has been doing', 73 * hourMs, 1_000, 0],
])(
  'a delete that was carried out is applied for a quarter of an hour: %s',
  async (_, wallMs, ownMs, applied) => {
    const start = { nowMs: 1_700_000_000_000, monotonicMs: 500 };
    let now = start;
    const moving: Clock = { ...clock, nowMs: () => now.nowMs, monotonicMs: () => now.monotonicMs };
    const requests = new DeleteRequests({ objectStore: new MemoryObjectStore(), clock: moving, timers });
    await requests.create('a', { id: 'r1', query: '{app="x"}', startMs: 0, endMs: 5, parts: 1 });
    await requests.progress('a', 'r1', 1);
    expect(requests.active('a', 0n, 10n)).toHaveLength(1);
    now = { nowMs: start.nowMs + wallMs, monotonicMs: start.monotonicMs + ownMs };
    expect(requests.active('a', 0n, 10n)).toHaveLength(applied);
  },
);
