/** Judges whether a measure is flat: its trend over the run, compared with its allowed growth. */

/** One measure over time. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  /** Seconds since the begin of the run, ascending. */
  readonly seconds: readonly number[];
  readonly values: readonly number[];
}

interface Allowance {
  /** Earlier points are warm-up: caches fill, code is compiled. */
  readonly fromSeconds: number;
  /** Samples of this many seconds make one point. */
  readonly windowSeconds: number;
  /** `low`: memory between two collections; `middle`: the median. */
  readonly of: 'low' | 'middle';
  /** Growth over the judged time: a share of the level, and something on top. */
  readonly share: number;
  readonly extra: number;
}

interface Trend {
  /** Median of the points. */
  readonly level: number;
  /** Increase of the trend from the first point to the last. */
  readonly growth: number;
  readonly growthMax: number;
  readonly points: number;
  readonly isFlat: boolean;
}

/** Fewer points show no trend: such a run fails. */
const pointsMin = 8;

/**
 * The trend is the median of the slopes of all pairs of points (Theil and Sen): single peaks do not move it.
 */
export function trendOf({ seconds, values }: Series, allowance: Allowance): Trend {
  const points = pointsOf(seconds, values, allowance);
  const slopes = points.flatMap(([x, y], i) => points.slice(i + 1).map(([x2, y2]) => (y2 - y) / (x2 - x)));
  const level = median(points.map(([, y]) => y));
  const span = points.length < 2 ? 0 : points[points.length - 1][0] - points[0][0];
  const growth = median(slopes) * span;
  const growthMax = allowance.share * level + allowance.extra;
  return {
    level,
    growth,
    growthMax,
    points: points.length,
    isFlat: points.length >= pointsMin && growth <= growthMax,
  };
}

/** One point for each window: its begin, and the value that stands for it. */
function pointsOf(
  seconds: readonly number[],
  values: readonly number[],
  { fromSeconds, windowSeconds, of }: Allowance,
): [number, number][] {
  const windows = new Map<number, number[]>();
  for (const [i, at] of seconds.entries()) {
    if (at < fromSeconds) continue;
    const begin = Math.floor(at / windowSeconds) * windowSeconds;
    const window = windows.get(begin);
    if (window) window.push(values[i]);
    else windows.set(begin, [values[i]]);
  }
  return [...windows].map(([begin, list]) => [begin, of === 'low' ? Math.min(...list) : median(list)]);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? 0 : (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
