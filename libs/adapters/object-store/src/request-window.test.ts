/**
 * Protects a store that refuses requests from a storm of repeats, and its clients from waiting without need.
 */
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { RequestWindow } from './request-window.ts';

test('a store that answers everything is asked for as much as before', async () => {
  const window = new RequestWindow(128);
  const entries = await Promise.all(Array.from({ length: 128 }, () => window.enter()));
  entries.forEach((entry) => window.leave(entry, false));
  expect(window.size).toBe(128);
});

test('refusals of requests that ran together narrow the window once, and never below eight', async () => {
  const window = new RequestWindow(100);
  const entries = await Promise.all(Array.from({ length: 100 }, () => window.enter()));
  entries.forEach((entry) => window.leave(entry, true));
  expect(window.size).toBe(70);
  for (let i = 0; i < 50; i++) window.leave(await window.enter(), true);
  expect(window.size).toBe(8);
});

test('a request that waits goes when another one ends, or leaves with its caller', async () => {
  const window = new RequestWindow(1);
  const first = await window.enter();
  const caller = new AbortController();
  const abandoned = window.enter(caller.signal);
  const second = window.enter();
  caller.abort(new Error('the caller has left'));
  await expect(abandoned).rejects.toThrow('the caller has left');
  window.leave(first, false);
  window.leave(await second, false);
  await expect(window.enter()).resolves.toBeDefined();
});

/** Refusals of a store that takes ten requests at a time, until it has answered 600. */
async function refusalsOf(narrows: boolean): Promise<number> {
  const scheduler = new VirtualScheduler(3);
  const { timers, random } = new VirtualProcess(scheduler, 'querier');
  const window = new RequestWindow(128);
  let running = 0;
  let refusals = 0;
  const ask = async (): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      const entry = await window.enter();
      const isRefused = running >= 10;
      running += isRefused ? 0 : 1;
      await timers.sleep(isRefused ? 1 : 30);
      running -= isRefused ? 0 : 1;
      window.leave(entry, isRefused && narrows);
      if (!isRefused) return;
      refusals++;
      await timers.sleep(Math.min(2_000, 100 * 2 ** (attempt - 1)) * (0.5 + random.float()));
    }
  };
  await scheduler.settle(Promise.all(Array.from({ length: 600 }, ask)));
  return refusals;
}

test('a store that takes ten requests at a time has to refuse a third as many', async () => {
  const [narrowed, unbounded] = [await refusalsOf(true), await refusalsOf(false)];
  expect(narrowed).toBeLessThan(unbounded / 3);
});
