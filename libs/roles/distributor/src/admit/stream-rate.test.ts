/**
 * Protects: a stream's share of a push is taken whole or refused whole, a refusal ends, and a stream gets as
 * many shards as its rate needs.
 */
import fc from 'fast-check';
import { StreamRate } from './stream-rate.ts';
import type { StreamRateLimit } from './stream-rate.ts';

const kib = 1024;
const unsharded: StreamRateLimit = { rate: 10 * kib, burst: 20 * kib, desiredRate: undefined };

/** Takes a share as the distributor does; 0: taken. */
function push(stream: StreamRate, bytes: number, limit: StreamRateLimit, nowMs: number): number {
  return stream.take(bytes, stream.offer(bytes, limit, nowMs), limit, nowMs);
}

test('a refused share is charged nothing, and is taken after the time that was told', () => {
  const stream = new StreamRate().start(unsharded, 0);
  expect(push(stream, 15 * kib, unsharded, 0)).toBe(0);
  const waitMs = push(stream, 15 * kib, unsharded, 0);
  expect(waitMs).toBe(1_000);
  for (let i = 1; i < 10; i++) expect(push(stream, 15 * kib, unsharded, 0)).toBe(waitMs);
  expect(push(stream, 15 * kib, unsharded, waitMs - 1)).toBeGreaterThan(0);
  expect(push(stream, 15 * kib, unsharded, waitMs)).toBe(0);
});

test.each([
  ['exactly the burst', 20, 0],
  ['a byte more', 20 + 1 / kib, 1],
  ['five times the burst', 100, 8_000],
])('a share of %s is taken in the end, at the rate of the limit', (_, kibibytes, expectedMs) => {
  const stream = new StreamRate().start(unsharded, 0);
  const bytes = kibibytes * kib;
  let nowMs = 0;
  // A client that repeats its push every second and ignores Retry-After.
  while (push(stream, bytes, unsharded, nowMs) > 0) nowMs += 1_000;
  expect(nowMs).toBe(Math.ceil(expectedMs / 1_000) * 1_000);
  expect(push(stream, 20 * kib, unsharded, nowMs + 1_000)).toBeGreaterThan(0);
});

test.each([
  ['at its limit', 1, 1],
  ['at half its limit, in gusts', 1, 1],
  ['at 1.2 times its limit', 1.2, 1 / 1.2],
  ['at four times its limit', 4, 1 / 4],
])('a stream %s has its lines taken as the limit allows, for as long as it comes', (name, factor, share) => {
  const stream = new StreamRate().start(unsharded, 0);
  const isGusty = name.includes('gusts');
  const lineBytes = 100;
  const lines = (factor * unsharded.rate) / lineBytes / 10;
  let [offered, taken, due] = [0, 0, 0];
  // A push of some lines each 100 ms, one line after the other; minutes 2 to 10, the burst is used up.
  for (let nowMs = 100; nowMs <= 600_000; nowMs += 100) {
    for (due += isGusty && nowMs % 2_000 >= 1_000 ? 0 : lines; due >= 1; due--) {
      const isTaken = push(stream, lineBytes, unsharded, nowMs) === 0;
      if (nowMs <= 60_000) continue;
      offered++;
      if (isTaken) taken++;
    }
  }
  expect(taken / offered).toBeCloseTo(share, 2);
  if (share === 1) expect(taken).toBe(offered);
});

test('the bucket stops saving for a client that does not return', () => {
  const stream = new StreamRate().start(unsharded, 0);
  expect(push(stream, 100 * kib, unsharded, 0)).toBeGreaterThan(0);
  expect(push(stream, 30 * kib, unsharded, 11 * 60_000)).toBeGreaterThan(0);
});

describe.each([1, 2, 3.5])('with a desired rate of 1 / %d of the limit', (parts) => {
  const limit: StreamRateLimit = { ...unsharded, desiredRate: unsharded.rate / parts };

  test.each([
    ['a small push each 10 ms', 10],
    ['each 250 ms', 250],
    ['each second', 1_000],
    ['each 5 seconds', 5_000],
  ])('one stream at 4 times its limit, %s, is never refused', (_, everyMs) => {
    const stream = new StreamRate().start(limit, 0);
    const bytes = (4 * limit.rate * everyMs) / 1_000;
    for (let nowMs = 0; nowMs <= 20_000; nowMs += everyMs) expect(push(stream, bytes, limit, nowMs)).toBe(0);
  });

  test('nothing is refused, however a stream grows and falls silent', () => {
    const bursts = fc.tuple(fc.integer({ min: 0, max: 30_000 }), fc.integer({ min: 1, max: 400 * kib }));
    fc.assert(
      fc.property(fc.array(bursts, { maxLength: 40 }), (pushes) => {
        const stream = new StreamRate().start(limit, 0);
        let nowMs = 0;
        for (const [afterMs, bytes] of pushes) {
          nowMs += afterMs;
          expect(push(stream, bytes, limit, nowMs)).toBe(0);
        }
      }),
    );
  });
});

test('shards follow the rate: up at once, down when it is over', () => {
  const limit: StreamRateLimit = { rate: 3_000, burst: 15_000, desiredRate: 1_000 };
  const stream = new StreamRate().start(limit, 0);
  expect(stream.offer(900, limit, 0)).toBe(1);
  expect(stream.offer(900, limit, 100)).toBe(2);
  expect(stream.offer(4_200, limit, 200)).toBe(6);
  expect(stream.offer(100, limit, 1_500)).toBe(4);
  expect(stream.offer(100, limit, 3_500)).toBe(1);
});

test('a desired rate above the limit leaves the limit of the shards that there are', () => {
  const limit: StreamRateLimit = { rate: 1_000, burst: 1_000, desiredRate: 4_000 };
  const stream = new StreamRate().start(limit, 0);
  let bytes = 0;
  for (let nowMs = 0; nowMs < 10_000; nowMs += 100) if (push(stream, 400, limit, nowMs) === 0) bytes += 400;
  expect(bytes).toBeLessThanOrEqual(2 * (10_000 + 1_000));
  expect(bytes).toBeGreaterThan(10_000);
});

test('a clock that goes back stops nothing', () => {
  const stream = new StreamRate().start(unsharded, 1e9);
  push(stream, 20 * kib, unsharded, 1e9);
  push(stream, 20 * kib, unsharded, 0);
  expect(push(stream, 20 * kib, unsharded, 2_000)).toBe(0);
});
