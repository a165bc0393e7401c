import { dayNs, usOf } from './units.ts';

// Protects the order of rows: microseconds stand for nanoseconds in comparisons, so they must round one way
// everywhere.
test.each([
  [0n, 0],
  [999n, 0],
  [1000n, 1],
  [-1n, -1],
  [-1000n, -1],
  [-1001n, -2],
  [dayNs, 86_400_000_000],
  [1_700_000_000_123_456_789n, 1_700_000_000_123_456],
])('%s ns are %s whole microseconds', (ns, us) => {
  expect(usOf(ns)).toBe(us);
});
