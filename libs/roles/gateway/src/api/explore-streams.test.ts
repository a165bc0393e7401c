/** Protects label names and values from vanishing at midnight: lines of the last hours count. */
import { dayNs, hourNs } from '@loki/model';
import { wholeDays } from './explore-streams.ts';

test.each([
  ['at noon', 12n, 0n],
  ['three hours after midnight', 3n, 0n],
  ['an hour after midnight', 1n, -1n],
  ['at midnight', 0n, -1n],
])('a range that begins %s', (_, hours, days) => {
  const midnightNs = 20_000n * dayNs;
  const startNs = midnightNs + hours * hourNs;
  expect(wholeDays({ startNs, endNs: startNs + hourNs })).toEqual({
    startNs: midnightNs + days * dayNs,
    endNs: midnightNs + dayNs,
  });
});
