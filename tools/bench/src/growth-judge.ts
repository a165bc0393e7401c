/** Judges the growth of a cost: its exponent over sizes, and the cost at the largest size. */

/** A cost at one size. */
export interface Point {
  readonly size: number;
  readonly cost: number;
}

/** Bounds of a cost; absent parts are shown and not judged. */
export interface Bar {
  /** At `atSize`, in the unit of the cost. */
  readonly costMax?: number;
  readonly atSize?: number;
  readonly exponentMax?: number;
  /** Costs below this are noise of the process: they count as this much. */
  readonly floor: number;
}

/** One measure of a row, over all sizes. */
export interface Measure {
  readonly name: string;
  readonly unit: 's' | 'wall s' | 'MiB' | 'MB/s' | 'cores' | 'calls';
  readonly bar: Bar;
}

interface Verdict {
  readonly exponent: number;
  readonly faults: readonly string[];
}

/**
 * Sizes a decade apart leave the slope within this of the truth where single measures are off by a tenth.
 */
const exponentTolerance = 0.1;

/**
 * The exponent is the slope of the least squares line through the logarithms: cost ~ size ^ exponent.
 *
 * @param points at least two sizes
 */
export function judgeGrowth(points: readonly Point[], bar: Bar): Verdict {
  const exponent = slopeOf(
    points.map(({ size, cost }) => [Math.log(size), Math.log(Math.max(cost, bar.floor))]),
  );
  const faults: string[] = [];
  if (bar.exponentMax !== undefined && exponent > bar.exponentMax + exponentTolerance) {
    faults.push(`grows with exponent ${exponent.toFixed(2)}, at most ${bar.exponentMax}`);
  }
  const judged = points.find(({ size }) => size === bar.atSize);
  if (judged && bar.costMax !== undefined && judged.cost > bar.costMax) {
    faults.push(`costs ${judged.cost.toPrecision(3)} at ${judged.size}, at most ${bar.costMax}`);
  }
  return { exponent, faults };
}

function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  let above = 0;
  let below = 0;
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
