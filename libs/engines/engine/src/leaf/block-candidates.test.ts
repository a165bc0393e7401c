/** Protects counts by time: the first row of the next step, wherever it stands. */
import fc from 'fast-check';
import { firstRowAtOrAfter, nextRowAtOrAfter } from './block-candidates.ts';

test('a search that begins nearby finds the row that a search of all rows finds', () => {
  const times = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 60 });
  fc.assert(
    fc.property(times, fc.nat(60), fc.nat(60), fc.integer({ min: -1, max: 61 }), (unsorted, a, b, ts) => {
      const timestamps = Float64Array.from(unsorted).sort();
      const from = Math.min(a, b, timestamps.length);
      const to = Math.min(Math.max(a, b), timestamps.length);
      const first = [...timestamps].findIndex((time, row) => row >= from && row < to && time >= ts);
      const expected = first < 0 ? to : first;
      expect(nextRowAtOrAfter(timestamps, from, to, ts)).toBe(expected);
      expect(firstRowAtOrAfter(timestamps, from, to, ts)).toBe(expected);
    }),
  );
});
