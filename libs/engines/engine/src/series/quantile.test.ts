/**
 * Protects exactness: windows that slide must give, bit by bit, what each window gives when it is computed
 * alone.
 */
import fc from 'fast-check';
import type { RangeAggExpr } from '@loki/logql';
import { MemoryBudget } from '../common/memory-budget.ts';
import { firstAfter, isInTimeOrder, sortByTime } from '../common/time-order.ts';
import { CountTree } from './count-tree.ts';
import { counterRates } from './counter-rate.ts';
import { quantile, quantiles } from './quantile.ts';
import { RankOrder } from './rank-order.ts';
import { SampleWindows } from './sample-windows.ts';

const numbers = fc.oneof(
  fc.integer({ min: -20, max: 20 }),
  fc.double(),
  fc.constantFrom(0, Number.NaN, Infinity, -Infinity, 5e-324, -5e-324, Number.MAX_VALUE),
);

function done(work: Generator<undefined, void>): void {
  while (!work.next().done);
}

/** Windows of `range` values at every `step` values. */
function windowsOf(count: number, range: number, step: number): SampleWindows {
  const steps = Math.ceil((count + range) / step) + 1;
  const expr = { rangeNs: BigInt(range), offsetNs: 0n } as RangeAggExpr;
  return new SampleWindows(expr, { startNs: 0n, stepNs: BigInt(step), steps });
}

const upTo = (count: number) => Float64Array.from({ length: count }, (_, i) => i);

test('ranks: NaN first, then numbers, -0 before 0, equals as they come', () => {
  const ranking = new RankOrder();
  fc.assert(
    fc.property(fc.array(fc.oneof(numbers, fc.constant(-0)), { maxLength: 300 }), (drawn) => {
      const values = Float64Array.from(drawn);
      done(ranking.rank(values));
      const place = (value: number) => (Number.isNaN(value) ? 0 : 1);
      const sign = (value: number) => (Object.is(value, -0) ? 0 : 1);
      const expected = drawn
        .map((_, i) => i)
        .sort((a, b) => {
          const [x, y] = [drawn[a], drawn[b]];
          if (place(x) !== place(y)) return place(x) - place(y);
          return x < y ? -1 : x > y ? 1 : sign(x) - sign(y) || a - b;
        });
      expect([...ranking.order.subarray(0, values.length)]).toEqual(expected);
      expected.forEach((item, rank) => expect(ranking.ranks[item]).toBe(rank));
    }),
  );
});

test('a tree of counts finds the n-th of whatever it holds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.array(fc.nat(), { maxLength: 200 }),
      fc.array(fc.nat(), { maxLength: 50 }),
      (size, added, removed) => {
        const tree = new CountTree(size);
        const held = new Set(added.map((each) => each % size));
        for (const rank of held) tree.add(rank);
        for (const each of removed) if (held.delete(each % size)) tree.remove(each % size);
        const sorted = [...held].sort((a, b) => a - b);
        expect(tree.count).toBe(sorted.length);
        sorted.forEach((rank, n) => expect(tree.nth(n)).toBe(rank));
      },
    ),
  );
});

test.each([
  ['the largest value', 1, [1, Infinity]],
  ['the only value', 0.5, [-Infinity]],
  ['the neighbour that weighs nothing', 0, [1, Infinity]],
])('an infinity is no quantile, as in Prometheus: %s', (_, q, values) => {
  expect(quantile(q, Float64Array.from(values))).toBeNaN();
});

test('quantiles of windows that slide are those of each window alone', () => {
  fc.assert(
    fc.property(
      fc.array(numbers, { minLength: 1, maxLength: 200 }),
      fc.integer({ min: 1, max: 150 }),
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(0, 0.01, 0.5, 0.7, 0.99, 1, -1, 2, Number.NaN),
      (drawn, range, step, q) => {
        const values = Float64Array.from(drawn);
        const windows = windowsOf(values.length, range, step);
        windows.moveTo(upTo(values.length));
        const memory = new MemoryBudget();
        const into = new Float64Array(windows.steps);
        done(quantiles(q, values, windows, into, memory));
        for (let k = 0; k < windows.steps; k++) {
          const alone = values.slice(Math.max(0, k * step - range + 1), k * step + 1);
          if (alone.length > 0) expect(into[k]).toBe(quantile(q, alone));
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('batches of ranks do not show', () => {
  // Several batches, of the least size and of two windows.
  let state = 7;
  const values = Float64Array.from({ length: 30_000 }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % 1000 === 0 ? Number.NaN : ((state >>> 8) % 10_000) / 7 - 100;
  });
  for (const [range, step] of [
    [100, 3],
    [5000, 100],
  ]) {
    const windows = windowsOf(values.length, range, step);
    windows.moveTo(upTo(values.length));
    const into = new Float64Array(windows.steps);
    const memory = new MemoryBudget();
    done(quantiles(0.9, values, windows, into, memory));
    for (let k = 0; k < windows.steps; k += 17) {
      const alone = values.slice(Math.max(0, k * step - range + 1), k * step + 1);
      if (alone.length > 0) expect(into[k]).toBe(quantile(0.9, alone));
    }
  }
});

/** The rate of one window by its definition. */
function plainRate(
  times: readonly number[],
  values: readonly number[],
  endNs: number,
  rangeNs: number,
): number {
  const last = values.length - 1;
  if (last < 1) return 0;
  let increase = values[last] - values[0];
  for (let i = 1; i <= last; i++) if (values[i] < values[i - 1]) increase += values[i - 1];
  const sampled = (times[last] - times[0]) / 1e9;
  if (sampled === 0) return 0;
  let toStart = (times[0] - (endNs - rangeNs)) / 1e9;
  const toEnd = (endNs - times[last]) / 1e9;
  const interval = sampled / last;
  if (increase > 0 && values[0] >= 0) toStart = Math.min(toStart, sampled * (values[0] / increase));
  const extrapolated =
    sampled +
    (toStart < interval * 1.1 ? toStart : interval / 2) +
    (toEnd < interval * 1.1 ? toEnd : interval / 2);
  return (increase * (extrapolated / sampled)) / (rangeNs / 1e9);
}

test('rates of counters in windows that slide are those of each window alone', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 100 }), fc.oneof(fc.nat(50), numbers)), { maxLength: 60 }),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 20 }),
      (drawn, range, step) => {
        const sorted = drawn.toSorted(([a], [b]) => a - b);
        const times = Float64Array.from(sorted, ([time]) => time);
        const values = Float64Array.from(sorted, ([, value]) => value);
        const windows = windowsOf(100, range, step);
        windows.moveTo(times);
        const into = new Float64Array(windows.steps);
        done(counterRates({ times, values }, windows, into));
        for (let k = 0; k < windows.steps; k++) {
          const end = k * step;
          const alone = sorted.filter(([time]) => time > end - range && time <= end);
          if (alone.length === 0) continue;
          const expected = plainRate(
            alone.map(([time]) => time),
            alone.map(([, value]) => value),
            end,
            range,
          );
          expect(into[k]).toBe(expected);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('samples are sorted by time, those of equal times as they came', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5, max: 20 }), { maxLength: 100 }), fc.nat(25), (drawn, at) => {
      const times = Float64Array.from(drawn);
      const values = upTo(drawn.length);
      const order = drawn.map((_, i) => i).sort((a, b) => drawn[a] - drawn[b] || a - b);
      expect(isInTimeOrder(times)).toBe(order.every((item, i) => item === i));
      sortByTime(times, values);
      expect([...values]).toEqual(order);
      expect([...times]).toEqual(order.map((i) => drawn[i]));
      expect(firstAfter(times, at)).toBe(drawn.filter((time) => time <= at).length);
    }),
  );
});
