/** Protects: the state of each stream among all others, and memory that is counted, small and given back. */
import fc from 'fast-check';
import { StreamStates } from './stream-states.ts';

/** A hash of 53 bits. */
function hashOf(stream: number): number {
  return ((stream * 2_654_435_761) % 2 ** 32) * 2 ** 21 + stream;
}

test('streams come and go as in a map, each with its own newest row', () => {
  const streams = fc.array(fc.nat(3_000), { maxLength: 400 });
  fc.assert(
    fc.property(
      fc.nat(2 ** 32 - 1),
      fc.array(fc.tuple(streams, fc.nat(3)), { maxLength: 8 }),
      (seed, turns) => {
        const states = new StreamStates(seed);
        const model = new Map<number, { seenMs: number; newestSeconds: number }>();
        turns.forEach(([pushed, ageMax], nowMs) => {
          for (const stream of pushed) {
            const hash = hashOf(stream);
            expect(states.has(hash)).toBe(model.has(hash));
            const state = states.get(hash) ?? states.add(hash, nowMs);
            state.seenMs = nowMs;
            state.newestSeconds = stream;
            model.set(hash, { seenMs: nowMs, newestSeconds: stream });
          }
          states.forgetBefore(nowMs - ageMax);
          for (const [hash, { seenMs }] of model) if (seenMs < nowMs - ageMax) model.delete(hash);
          expect(states.size).toBe(model.size);
          expect(new Set(states.reportAll(nowMs))).toEqual(new Set(model.keys()));
          for (const [hash, { newestSeconds }] of model) {
            expect(states.get(hash)).toMatchObject({ hash, newestSeconds, reportedMs: nowMs });
          }
        });
      },
    ),
    { numRuns: 50 },
  );
});

test('a new stream has no newest row and a full bucket, also where a forgotten one was', () => {
  const states = new StreamStates(7);
  const limit = { rate: 10, burst: 10, desiredRate: undefined };
  const state = states.add(1, 0);
  state.newestSeconds = 100;
  state.newestNanos = 5;
  expect(state.rate(limit, 0).take(10, 1, limit, 0)).toBe(0);
  states.forgetBefore(1);
  expect(states.has(1)).toBe(false);
  const next = states.add(2, 0);
  expect(next).toMatchObject({ newestSeconds: Number.NEGATIVE_INFINITY, newestNanos: 0 });
  expect(next.rate(limit, 0).take(10, 1, limit, 0)).toBe(0);
});

test('a stream takes 150 bytes at most, a tenant with one stream a kibibyte, and forgotten ones nothing', () => {
  const states = new StreamStates(3);
  states.add(hashOf(0), 0);
  expect(states.bytes).toBeLessThan(1_024);
  const before = process.memoryUsage().arrayBuffers;
  for (let stream = 1; stream < 100_000; stream++) states.add(hashOf(stream), stream);
  expect(states.bytes).toBeLessThan(150 * 100_000);
  // The account holds what was allocated since: memory of earlier tests may be collected meanwhile.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(states.bytes * 2);
  states.forgetBefore(99_999);
  expect(states.size).toBe(1);
  expect(states.bytes).toBeLessThan(150 * 1_024);
});
