/** The referee's aggregations of samples, from the definitions of the language. */
import type { Grouping, VectorAggExpr } from '@loki/logql';
import type { LabelMap } from './referee-range.ts';
import { Unsure } from './referee-row.ts';

/** The labels that remain after a grouping; an empty label is none. */
export function grouped(labels: LabelMap, { without, labels: names }: Grouping): LabelMap {
  return new Map([...labels].filter(([name, text]) => text !== '' && names.includes(name) !== without));
}

export function keyOf(labels: LabelMap): string {
  return JSON.stringify([...labels].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function aggregated(
  { op, parameter = 0, grouping }: VectorAggExpr,
  samples: readonly Sample[],
): Sample[] {
  if (op === 'sort' || op === 'sort_desc') return [...samples];
  const groups = new Map<string, { labels: LabelMap; samples: Sample[] }>();
  for (const sample of samples) {
    const labels = grouped(sample.labels, grouping ?? { without: false, labels: [] });
    const key = keyOf(labels);
    const group = groups.get(key) ?? { labels, samples: [] };
    groups.set(key, group);
    group.samples.push(sample);
  }
  return [...groups.values()].flatMap(({ labels, samples: of }) =>
    op === 'topk' || op === 'bottomk' || op === 'approx_topk'
      ? best(of, parameter, op === 'bottomk' ? 1 : -1)
      : [{ labels, value: reduced(op, of.map(({ value }) => value)) }],
  ); // prettier-ignore
}

function best(samples: readonly Sample[], count: number, sign: 1 | -1): Sample[] {
  const rank = (value: number) => (Number.isNaN(value) ? Infinity : sign * value);
  const sorted = samples.toSorted((a, b) => (rank(a.value) < rank(b.value) ? -1 : Number(rank(a.value) > rank(b.value)))); // prettier-ignore
  if (sorted.length > count && isClose(rank(sorted[count - 1].value), rank(sorted[count].value))) {
    throw new Unsure('equals, of which some are left out');
  }
  return sorted.slice(0, count);
}

function isClose(a: number, b: number): boolean {
  return a === b || Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
}

function reduced(op: 'sum' | 'avg' | 'count' | 'max' | 'min' | 'stddev' | 'stdvar', values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const mean = sum / values.length;
  const numbers = values.filter((value) => !Number.isNaN(value));
  switch (op) {
    case 'sum':
      return sum;
    case 'avg':
      return mean;
    case 'count':
      return values.length;
    case 'max':
      return numbers.length === 0 ? NaN : Math.max(...numbers);
    case 'min':
      return numbers.length === 0 ? NaN : Math.min(...numbers);
    default: {
      if (!values.every(Number.isFinite)) throw new Unsure('how far infinities lie apart');
      const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length;
      return op === 'stddev' ? Math.sqrt(variance) : variance;
    }
  }
} // prettier-ignore

export interface Sample {
  readonly labels: LabelMap;
  readonly value: number;
}

/** The query must be answered by an error. */
export class Refused extends Error {}
