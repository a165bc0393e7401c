import fc from 'fast-check';
import { quantile } from '../series/quantile.ts';
import { selectNth } from './select-nth.ts';

// Protects quantiles, which no longer sort their windows.

const numbers = fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 200 });

test('the value at a place is what sorting puts there, and splits the others', () => {
  fc.assert(
    fc.property(numbers, fc.nat(), (list, seed) => {
      const n = seed % list.length;
      const values = Float64Array.from(list);
      expect(selectNth(values, n)).toBe(values[n]);
      expect(values[n] === Float64Array.from(list).sort()[n]).toBe(true);
      for (let i = 0; i < values.length; i++) {
        expect(i < n ? values[i] <= values[n] : values[i] >= values[n]).toBe(true);
      }
    }),
  );
});

test('orders that are slow to split are sorted instead: ascending, descending, equal, organ pipes', () => {
  const count = 100_000;
  const shapes = [(i: number) => i, (i: number) => -i, () => 7, (i: number) => Math.min(i, count - i)];
  for (const shape of shapes) {
    const values = Float64Array.from({ length: count }, (_, i) => shape(i));
    const sorted = values.slice().sort();
    expect(selectNth(values, 777)).toBe(sorted[777]);
  }
});

test('a quantile is what it is of sorted values, NaN before all others', () => {
  const anything = fc.array(
    fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(Number.NaN)),
    {
      minLength: 1,
      maxLength: 50,
    },
  );
  fc.assert(
    fc.property(anything, fc.double({ min: 0, max: 1, noNaN: true }), (list, q) => {
      const rankOf = (value: number) => (Number.isNaN(value) ? -Infinity : value);
      const sorted = [...list].sort((a, b) => (rankOf(a) < rankOf(b) ? -1 : rankOf(a) > rankOf(b) ? 1 : 0));
      const rank = q * (sorted.length - 1);
      const lower = Math.floor(rank);
      const upper = Math.min(lower + 1, sorted.length - 1);
      const expected =
        lower === sorted.length - 1
          ? sorted[lower]
          : sorted[lower] * (1 - (rank - lower)) + sorted[upper] * (rank - lower);
      expect(quantile(q, Float64Array.from(list))).toEqual(expected);
    }),
  );
});
