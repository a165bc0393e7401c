/** Protects the schedule of groups: regular, spread, the same on each ruler. */
import fc from 'fast-check';
import { firstTickMs, tickAfter } from './group-schedule.ts';

const token = fc.nat(2 ** 32 - 1);
const interval = fc.integer({ min: 1, max: 86_400_000 });
const now = fc.integer({ min: 0, max: 4e12 });

test('the first tick comes within one interval, at the same phase whenever one asks', () => {
  fc.assert(
    fc.property(now, interval, token, (nowMs, intervalMs, tokenValue) => {
      const tickMs = firstTickMs(nowMs, intervalMs, tokenValue);
      expect(tickMs).toBeGreaterThan(nowMs);
      expect(tickMs - nowMs).toBeLessThanOrEqual(intervalMs);
      expect(tickMs % intervalMs).toBe(tokenValue % intervalMs);
    }),
  );
});

test('the next tick is one interval on; late ones are counted, and the newest is due at once', () => {
  expect(tickAfter(1000, 1200, 500, 0)).toEqual({ tickMs: 1500, missed: 0 });
  expect(tickAfter(1000, 1500, 500, 0)).toEqual({ tickMs: 1500, missed: 0 });
  expect(tickAfter(1000, 2600, 500, 0)).toEqual({ tickMs: 2500, missed: 2 });
});

test('a clock that was set back does not stop a group', () => {
  expect(tickAfter(1_000_000, 100_000, 500, 7)).toEqual({ tickMs: 100_007, missed: 0 });
});

test('phase and order hold for every jump of the clock', () => {
  fc.assert(
    fc.property(
      now,
      interval,
      token,
      fc.array(now, { maxLength: 20 }),
      (startMs, intervalMs, tokenValue, times) => {
        let tickMs = firstTickMs(startMs, intervalMs, tokenValue);
        for (const time of times) {
          const next = tickAfter(tickMs, time, intervalMs, tokenValue);
          expect(next.tickMs % intervalMs).toBe(tokenValue % intervalMs);
          expect(next.missed).toBeGreaterThanOrEqual(0);
          expect(next.tickMs).toBeLessThanOrEqual(Math.max(tickMs, time) + intervalMs);
          tickMs = next.tickMs;
        }
      },
    ),
  );
});
