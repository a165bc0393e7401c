/** Protects the benchmark from passing always: its judge has to report growth and cost. */
import { judgeGrowth } from './growth-judge.ts';
import type { Point } from './growth-judge.ts';

function points(costOf: (size: number) => number): Point[] {
  return [1_000, 10_000, 100_000].map((size) => ({ size, cost: costOf(size) }));
}

describe('growth', () => {
  test('what grows in proportion passes, what grows faster does not', () => {
    const bar = { exponentMax: 1, floor: 0.001 };
    expect(
      judgeGrowth(
        points((size) => size * 2e-6),
        bar,
      ),
    ).toMatchObject({ faults: [] });
    const fast = judgeGrowth(
      points((size) => size ** 1.3 * 1e-6),
      bar,
    );
    expect(fast.exponent).toBeCloseTo(1.3, 5);
    expect(fast.faults).toEqual(['grows with exponent 1.30, at most 1']);
  });

  test('noise below the floor is no growth', () => {
    const noise = [
      { size: 1_000, cost: 0.0001 },
      { size: 10_000, cost: 0.001 },
      { size: 100_000, cost: 0.004 },
    ];
    expect(judgeGrowth(noise, { exponentMax: 1, floor: 0.005 })).toEqual({ exponent: 0, faults: [] });
  });

  test('a cost above its bar fails at that size alone', () => {
    const bar = { costMax: 0.02, atSize: 100_000, floor: 0.001 };
    expect(
      judgeGrowth(
        points(() => 0.03),
        bar,
      ).faults,
    ).toEqual(['costs 0.0300 at 100000, at most 0.02']);
    expect(judgeGrowth([{ size: 10_000, cost: 0.03 }], bar).faults).toEqual([]);
  });
});
