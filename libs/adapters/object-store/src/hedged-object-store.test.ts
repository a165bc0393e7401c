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
  } as unknown as ObjectStore;
  const times = new StoreTimes();
  const hedged = new HedgedObjectStore({ store, times, clock, timers });
  const read = async () => {
    const startedMs = clock.monotonicMs();
    const bytes = await scheduler.settle(hedged.getRange('k', 7, 3));
    expect(bytes).toEqual(Buffer.alloc(3, 7));
    return clock.monotonicMs() - startedMs;
  };
  return { read, counts, times, scheduler, hedged };
}

test('a request that is later than 19 of 20 is asked again, and the first answer counts', async () => {
  // So far apart that no request takes as long as the one before it allows.
  const { read, counts, times } = world([...Array.from({ length: 128 }, (_, i) => 30 - (i >> 4)), 5_000]);
  for (let i = 0; i < 128; i++) await read();
  expect(counts.asked).toBe(128);
  expect(times.lateMs).toBe(30);
  expect(await read()).toBe(30 + 30);
  expect(counts.asked).toBe(130);
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
