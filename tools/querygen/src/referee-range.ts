/** The referee's range aggregations over samples of one series. */
import type { RangeAggExpr } from '@loki/logql';
import { Unsure } from './referee-row.ts';

export type LabelMap = ReadonlyMap<string, string>;

/** One row as a sample. */
export interface RangeSample {
  readonly labels: LabelMap;
  readonly value: number;
  readonly timestampNs: bigint;
  readonly error: string;
  /** Its place in the order of arrival. */
  readonly age: number;
}

/** Value of a range aggregation over the samples of one series, of which there is at least one. */
export function rangeValue(
  { op, parameter, unwrap, rangeNs }: RangeAggExpr,
  samples: readonly RangeSample[],
  window: { readonly startNs: bigint; readonly endNs: bigint },
): number {
  const values = samples.map(({ value }) => value);
  const seconds = Number(rangeNs) / 1e9;
  const sum = values.reduce((total, value) => total + value, 0);
  const numbers = values.filter((value) => !Number.isNaN(value));
  switch (op) {
    case 'count_over_time':
      return values.length;
    case 'rate':
      return (unwrap ? sum : values.length) / seconds;
    case 'bytes_over_time':
    case 'sum_over_time':
      return sum;
    case 'bytes_rate':
      return sum / seconds;
    case 'avg_over_time':
      return sum / values.length;
    case 'min_over_time':
      return numbers.length === 0 ? NaN : Math.min(...numbers);
    case 'max_over_time':
      return numbers.length === 0 ? NaN : Math.max(...numbers);
    case 'stddev_over_time':
    case 'stdvar_over_time': {
      const mean = sum / values.length;
      const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length;
      return op === 'stddev_over_time' ? Math.sqrt(variance) : variance;
    }
    case 'first_over_time':
      return ofTime(samples, (a, b) => a < b);
    case 'last_over_time':
      return ofTime(samples, (a, b) => a > b);
    case 'quantile_over_time':
      return quantile(parameter!, values);
    case 'rate_counter':
      return counterRate(samples, window, seconds);
    case 'absent_over_time':
      throw new Unsure('absence has no value');
  }
}

/** The value at the first or last moment, unless several rows differ there. */
function ofTime(samples: readonly RangeSample[], isBefore: (a: bigint, b: bigint) => boolean): number {
  const first = samples.reduce((best, each) => (isBefore(each.timestampNs, best.timestampNs) ? each : best));
  const equals = samples.filter(({ timestampNs }) => timestampNs === first.timestampNs);
  if (equals.some(({ value }) => !Object.is(value, first.value))) throw new Unsure('several at one moment');
  return first.value;
}

function quantile(q: number, values: readonly number[]): number {
  if (values.some(Number.isNaN)) throw new Unsure('a quantile of no numbers');
  if (q < 0) return -Infinity;
  if (q > 1) return Infinity;
  const sorted = values.toSorted((a, b) => a - b);
  const rank = q * (sorted.length - 1);
  const [low, high] = [Math.floor(rank), Math.min(Math.floor(rank) + 1, sorted.length - 1)];
  const weight = rank - low;
  return sorted[low] * (1 - weight) + sorted[high] * weight;
}

/** The growth of a counter with resets, extrapolated to the borders of the window when they are near. */
function counterRate(
  samples: readonly RangeSample[],
  window: { readonly startNs: bigint; readonly endNs: bigint },
  seconds: number,
): number {
  if (samples.length < 2) return 0;
  const sorted = samples.toSorted((a, b) => Number(a.timestampNs - b.timestampNs));
  if (sorted.some((each, i) => i > 0 && each.timestampNs === sorted[i - 1].timestampNs)) {
    throw new Unsure('several at one moment');
  }
  const [first, last] = [sorted[0], sorted[sorted.length - 1]];
  let growth = last.value - first.value;
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i].value < sorted[i - 1].value) growth += sorted[i - 1].value;
  }
  const secondsOf = (ns: bigint) => Number(ns) / 1e9;
  const covered = secondsOf(last.timestampNs - first.timestampNs);
  const between = covered / (sorted.length - 1);
  let before = secondsOf(first.timestampNs - window.startNs);
  const after = secondsOf(window.endNs - last.timestampNs);
  if (growth > 0 && first.value >= 0) before = Math.min(before, covered * (first.value / growth));
  const near = between * 1.1;
  const length = covered + (before < near ? before : between / 2) + (after < near ? after : between / 2);
  return (growth * (length / covered)) / seconds;
}
