/** Protects queries from single requests that take very long, and a slow store from twice the work. */
import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { HedgedObjectStore } from './hedged-object-store.ts';
import { StoreTimes } from './store-times.ts';

/** A store whose requests take the given times, one after another; negative: it fails then. */
function world(timesMs: readonly number[]) {
  const scheduler = new VirtualScheduler(1);
  const { clock, timers } = new VirtualProcess(scheduler, 'querier');
  const remainingMs = [...timesMs];
  const counts = { asked: 0, ended: 0 };
  const store = {
    async getRange(_key: string, offset: number, length: number, signal: AbortSignal) {
      counts.asked++;
      const takesMs = remainingMs.shift() ?? 30;
      signal.addEventListener('abort', () => counts.ended++);
      await timers.sleep(Math.abs(takesMs), signal);
      if (takesMs < 0) throw new LokiError('unavailable', 'away');
      return Buffer.alloc(length, offset);
    },
    async get(key: string, signal: AbortSignal) {
      counts.asked++;
      await timers.sleep(remainingMs.shift() ?? 30, signal);
      throw new LokiError('notFound', `no object ${key}`);
    },
  } as unknown as ObjectStore;
  const times = new StoreTimes();
  const hedged = new HedgedObjectStore({ store, times, clock, timers });
  const read = async () => {
    const startedMs = clock.monotonicMs();
    const bytes = await scheduler.settle(hedged.getRange('k', 7, 3));
    expect(bytes).toEqual(Buffer.alloc(3, 7));
    return clock.monotonicMs() - startedMs;
  };
  /** Reads that begin now; their milliseconds. */
  const reads = (count: number) =>
    Array.from({ length: count }, async () => {
      const startedMs = clock.monotonicMs();
      await hedged.getRange('k', 7, 3);
      return clock.monotonicMs() - startedMs;
    });
  const absent = () => hedged.get('absent');
  return {
    read,
    reads: (count: number) => Promise.all(reads(count)),
    absent,
    counts,
    times,
    scheduler,
    hedged,
  };
}

test('a request that is later than 19 of 20 is asked again, and the first answer counts', async () => {
  // One request in ten takes up to 90 ms, and less than the one before, so that none is late.
  const { read, counts, times } = world([
    ...Array.from({ length: 128 }, (_, i) => (i % 10 === 0 ? 90 - (i >> 4) : 30)),
    5_000,
  ]);
  for (let i = 0; i < 128; i++) await read();
  expect(counts.asked).toBe(128);
  const lateMs = times.lateMs(3);
  expect(lateMs).toBeGreaterThan(80);
  expect(await read()).toBe(lateMs + 30);
  expect(counts.asked).toBe(130);
});

test('a request is late after twice the median at the earliest, and a large one later than a small one', async () => {
  const times = new StoreTimes();
  const large = 8 << 20;
  expect(times.lateMs(large)).toBeGreaterThan(10 * times.lateMs(1));
  for (let i = 0; i < 128; i++) times.add(30 + (i % 5), 16 << 10);
  expect(times.lateMs(64 << 10)).toBe(2 * times.medianMs);
  expect(times.lateMs(large)).toBeGreaterThan(1_000);
  for (let i = 0; i < 128; i++) times.add(420, large);
  expect(times.lateMs(large)).toBe(840);
  expect(times.lateMs(64 << 10)).toBe(64);
});

test('a read that is late while no second request is allowed gets one later', async () => {
  const { read, counts, reads } = world([5_000, 5_000]);
  // The first read takes the one second request that is allowed at the start.
  const early = reads(2);
  await new Promise(setImmediate);
  for (let i = 0; i < 60; i++) await read();
  const [firstMs, secondMs] = await early;
  expect(firstMs).toBeLessThan(500);
  expect(secondMs).toBeLessThan(4_000);
  expect(counts.asked).toBe(64);
});

test('an absent object is an answer, whichever request finds out', async () => {
  const { scheduler, absent, counts } = world([5_000, 30]);
  await expect(scheduler.settle(absent())).rejects.toMatchObject({ code: 'notFound' });
  expect(counts.asked).toBe(2);
  expect(scheduler.nowMs).toBeLessThan(1_000);
});

test('a second request that fails leaves the first one its time', async () => {
  const { read, counts } = world([1_000, -1]);
  expect(await read()).toBe(1_000);
  expect(counts.asked).toBe(2);
});

test('when the first request fails its error is told', async () => {
  const { hedged, scheduler } = world([-10]);
  await expect(scheduler.settle(hedged.getRange('k', 0, 1))).rejects.toThrow('away');
});

test('a store that is slow as a whole gets one request in twenty more', async () => {
  const { read, counts } = world(Array.from({ length: 1_000 }, () => 10_000));
  for (let i = 0; i < 400; i++) await read();
  expect(counts.asked).toBeGreaterThan(400);
  expect(counts.asked).toBeLessThanOrEqual(400 + 400 / 20 + 1);
});
