import fc from 'fast-check';
import { firstSlotMs, nextSlot } from './group-schedule.ts';

// Protects when groups are evaluated: regularly, spread, at moments that do not depend on who does it.

const token = fc.nat(2 ** 32 - 1);
const interval = fc.integer({ min: 1, max: 86_400_000 });
const now = fc.integer({ min: 0, max: 4e12 });

test('the first slot comes within one interval, at the same phase whenever one asks', () => {
  fc.assert(
    fc.property(now, interval, token, (nowMs, intervalMs, tokenValue) => {
      const slot = firstSlotMs(nowMs, intervalMs, tokenValue);
      expect(slot).toBeGreaterThan(nowMs);
      expect(slot - nowMs).toBeLessThanOrEqual(intervalMs);
      expect(slot % intervalMs).toBe(tokenValue % intervalMs);
    }),
  );
});

test('the next slot is one interval on; late ones are counted, and the newest is due at once', () => {
  expect(nextSlot(1000, 1200, 500, 0)).toEqual({ slotMs: 1500, missed: 0 });
  expect(nextSlot(1000, 1500, 500, 0)).toEqual({ slotMs: 1500, missed: 0 });
  expect(nextSlot(1000, 2600, 500, 0)).toEqual({ slotMs: 2500, missed: 2 });
});

test('a clock that was set back does not stop a group', () => {
  expect(nextSlot(1_000_000, 100_000, 500, 7)).toEqual({ slotMs: 100_007, missed: 0 });
});

test('phase and order hold whatever the clock does', () => {
  fc.assert(
    fc.property(
      now,
      interval,
      token,
      fc.array(now, { maxLength: 20 }),
      (startMs, intervalMs, tokenValue, times) => {
        let slot = firstSlotMs(startMs, intervalMs, tokenValue);
        for (const time of times) {
          const next = nextSlot(slot, time, intervalMs, tokenValue);
          expect(next.slotMs % intervalMs).toBe(tokenValue % intervalMs);
          expect(next.missed).toBeGreaterThanOrEqual(0);
          expect(next.slotMs).toBeLessThanOrEqual(Math.max(slot, time) + intervalMs);
          slot = next.slotMs;
        }
      },
    ),
  );
});
