import type { RangeOp } from '@loki/logql';
import type { SeriesState } from '@loki/ports';
import { ColumnSlabs } from './column-slabs.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { slideWindows, type WindowMerge, windowScratch, type WindowScratch } from './slide-windows.ts';
import type { StepGrid } from './step-grid.ts';

/** Partial states of all series of a leaf. What they hold is charged to the query's budget before it is taken. */
export interface Accumulator {
  /** Whether `add` is to be told the rank of the sample's stream: among equal times it decides. */
  readonly usesRanks: boolean;
  /** A sample of `series` in `bucket`, at `time` (ns relative to the first step). */
  add(series: number, bucket: number, time: number, value: number, rank?: number): void;
  /** `count` samples at once whose values add up to `sum`; only for operations that add. */
  addMany(series: number, bucket: number, count: number, sum: number): void;
  /** What `SeriesState` holds besides the labels. Once for each series: what it was made from is given up. */
  finish(series: number): Pick<SeriesState, 'columns' | 'values'>;
}

export function makeAccumulator(
  op: RangeOp,
  hasUnwrap: boolean,
  grid: StepGrid,
  memory: MemoryBudget,
): Accumulator {
  const byColumns = (kind: ColumnKind) => new ColumnAccumulator(grid, kind, memory);
  switch (op) {
    case 'count_over_time':
    case 'absent_over_time':
      return byColumns(counts);
    case 'rate':
      return byColumns(hasUnwrap ? sums : counts);
    case 'bytes_over_time':
    case 'bytes_rate':
    case 'sum_over_time':
    case 'avg_over_time':
      return byColumns(sums);
    case 'min_over_time':
      return byColumns(minima);
    case 'max_over_time':
      return byColumns(maxima);
    case 'stddev_over_time':
    case 'stdvar_over_time':
      return byColumns(moments);
    case 'first_over_time':
      return byColumns(firsts);
    case 'last_over_time':
      return byColumns(lasts);
    case 'quantile_over_time':
      return new ValueAccumulator(grid, false, memory);
    case 'rate_counter':
      return new ValueAccumulator(grid, true, memory);
  }
}

type Columns = readonly Float64Array[];

/** How the columns of an operation take up a sample, and the columns of later samples. Column 0 is always the count. */
interface ColumnKind extends WindowMerge {
  readonly columns: number;
  /** Called before column 0 counts the sample. */
  readonly add: (columns: Columns, bucket: number, time: number, value: number, rank: number) => void;
  readonly usesRanks?: true;
}

const counts: ColumnKind = {
  columns: 1,
  add: () => undefined,
  merge: (into, at, from, index) => {
    into[0][at] += from[0][index];
  },
};

const sums: ColumnKind = {
  columns: 2,
  add: (columns, bucket, _time, value) => {
    columns[1][bucket] += value;
  },
  merge: (into, at, from, index) => {
    into[0][at] += from[0][index];
    into[1][at] += from[1][index];
  },
};

function extremes(isBetter: (a: number, b: number) => boolean): ColumnKind {
  return {
    columns: 2,
    add: ([count, best], bucket, _time, value) => {
      if (count[bucket] === 0 || isBetter(value, best[bucket]) || Number.isNaN(best[bucket]))
        best[bucket] = value;
    },
    merge: (into, at, from, index) => {
      if (from[0][index] === 0) return;
      const [count, best] = into;
      const value = from[1][index];
      if (count[at] === 0 || isBetter(value, best[at]) || Number.isNaN(best[at])) best[at] = value;
      count[at] += from[0][index];
    },
  };
}

const minima = extremes((a, b) => a < b);
const maxima = extremes((a, b) => a > b);

const moments: ColumnKind = {
  columns: 3,
  add: ([count, mean, squares], bucket, _time, value) => {
    const delta = value - mean[bucket];
    mean[bucket] += delta / (count[bucket] + 1);
    squares[bucket] += delta * (value - mean[bucket]);
  },
  merge: (into, at, from, index) => {
    const more = from[0][index];
    if (more === 0) return;
    const [count, mean, squares] = into;
    const delta = from[1][index] - mean[at];
    const total = count[at] + more;
    squares[at] += from[2][index] + (delta * delta * count[at] * more) / total;
    mean[at] += (delta * more) / total;
    count[at] = total;
  },
};

/** Columns: count, time, value, and the rank of the stream. */
function ends(isBetter: (time: number, than: number, rank: number, thanRank: number) => boolean): ColumnKind {
  return {
    columns: 4,
    usesRanks: true,
    add: ([count, times, values, ranks], bucket, time, value, rank) => {
      if (count[bucket] !== 0 && !isBetter(time, times[bucket], rank, ranks[bucket])) return;
      times[bucket] = time;
      values[bucket] = value;
      ranks[bucket] = rank;
    },
    merge: (into, at, from, index) => {
      if (from[0][index] === 0) return;
      const [count, times, values, ranks] = into;
      if (count[at] === 0 || isBetter(from[1][index], times[at], from[3][index], ranks[at])) {
        times[at] = from[1][index];
        values[at] = from[2][index];
        ranks[at] = from[3][index];
      }
      count[at] += from[0][index];
    },
  };
}

/**
 * Which of two samples stands first, or last: by time, then by stream as in log queries, then the one that came first, or
 * last. Where its rows are stored must not decide.
 */
export const isEarlier = (time: number, than: number, rank: number, thanRank: number): boolean =>
  time < than || (time === than && rank < thanRank);
export const isLater = (time: number, than: number, rank: number, thanRank: number): boolean =>
  time > than || (time === than && rank >= thanRank);

const firsts = ends(isEarlier);
const lasts = ends(isLater);

class ColumnAccumulator implements Accumulator {
  readonly usesRanks: boolean;
  readonly #grid: StepGrid;
  readonly #kind: ColumnKind;
  readonly #memory: MemoryBudget;
  readonly #series: (Columns | undefined)[] = [];
  /** Apart, so that slabs of buckets go as their series are finished. */
  readonly #buckets = new ColumnSlabs();
  readonly #windows = new ColumnSlabs();
  #scratch: WindowScratch | undefined;

  constructor(grid: StepGrid, kind: ColumnKind, memory: MemoryBudget) {
    this.#grid = grid;
    this.#kind = kind;
    this.usesRanks = kind.usesRanks ?? false;
    this.#memory = memory;
  }

  add(series: number, bucket: number, time: number, value: number, rank = 0): void {
    const columns = this.#series[series] ?? this.#make(series);
    this.#kind.add(columns, bucket, time, value, rank);
    columns[0][bucket]++;
  }

  addMany(series: number, bucket: number, count: number, sum: number): void {
    const columns = this.#series[series] ?? this.#make(series);
    columns[0][bucket] += count;
    if (columns.length > 1) columns[1][bucket] += sum;
  }

  finish(series: number): Pick<SeriesState, 'columns'> {
    const columns = this.#series[series] ?? this.#make(series);
    if (this.#grid.isDirect) return { columns };
    this.#memory.charge(this.#bytesOf(this.#grid.steps));
    const windows = columns.map(() => this.#windows.floats(this.#grid.steps));
    this.#scratch ??= windowScratch(this.#grid, this.#kind.columns);
    slideWindows(this.#grid, columns, this.#kind, windows, this.#scratch);
    this.#series[series] = undefined;
    this.#memory.release(this.#bytesOf(this.#grid.bucketCount));
    return { columns: windows };
  }

  #make(series: number): Columns {
    const { bucketCount } = this.#grid;
    this.#memory.charge(this.#bytesOf(bucketCount));
    const columns = Array.from({ length: this.#kind.columns }, () => this.#buckets.floats(bucketCount));
    this.#series[series] = columns;
    return columns;
  }

  #bytesOf(cells: number): number {
    return this.#kind.columns * (cells * 8 + columnOverheadBytes);
  }
}

/** A typed array, besides its numbers. */
const columnOverheadBytes = 100;

const samplesAtFirst = 1024;
/** Series, bucket, time and value; and the order they are put in at the end. */
const sampleBytes = 28;

interface Windows {
  readonly bounds: { readonly first: Int32Array; readonly last: Int32Array } | undefined;
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** Keeps every sample: quantiles need the values of each window, counters their order too. */
class ValueAccumulator implements Accumulator {
  readonly usesRanks = false;
  readonly #grid: StepGrid;
  readonly #withTimes: boolean;
  readonly #memory: MemoryBudget;
  readonly #slabs = new ColumnSlabs();
  #count = 0;
  /** Per sample, in order of arrival. */
  #series = new Uint32Array(samplesAtFirst);
  #buckets = new Uint32Array(samplesAtFirst);
  #times = new Float64Array(samplesAtFirst);
  #values = new Float64Array(samplesAtFirst);
  /** Samples by series, then by bucket, then as they came; series i has those before `#ends[i]`. Made by the first `finish`. */
  #order: Uint32Array<ArrayBuffer> | undefined;
  #windows: Windows | undefined;
  #ends = new Uint32Array(0);

  constructor(grid: StepGrid, withTimes: boolean, memory: MemoryBudget) {
    this.#grid = grid;
    this.#withTimes = withTimes;
    this.#memory = memory;
    memory.charge(samplesAtFirst * sampleBytes);
  }

  add(series: number, bucket: number, time: number, value: number): void {
    if (this.#count === this.#times.length) this.#grow();
    const at = this.#count++;
    this.#series[at] = series;
    this.#buckets[at] = bucket;
    this.#times[at] = time;
    this.#values[at] = value;
  }

  addMany(): void {
    throw new Error('this operation needs every value');
  }

  finish(series: number): Pick<SeriesState, 'columns' | 'values'> {
    const order = this.#orderOf(series);
    const { steps } = this.#grid;
    const { from, to } = this.#findWindows(order);
    const perSample = this.#withTimes ? 2 : 1;
    let total = 0;
    for (let k = 0; k < steps; k++) total += to[k] - from[k];
    this.#memory.charge(total * perSample * 8 + steps * 12);
    const count = this.#slabs.floats(steps);
    const ends = this.#slabs.integers(steps);
    const values = this.#slabs.floats(total * perSample);
    let end = 0;
    for (let k = 0; k < steps; k++) {
      count[k] = to[k] - from[k];
      for (let i = from[k]; i < to[k]; i++) {
        if (this.#withTimes) values[end++] = this.#times[order[i]];
        values[end++] = this.#values[order[i]];
      }
      ends[k] = end;
    }
    return { columns: [count], values: { ends, values } };
  }

  /** The samples of a series, sorted by bucket; by time where times matter. */
  #orderOf(series: number): Uint32Array {
    this.#order ??= this.#sort();
    const from = series === 0 ? 0 : this.#ends[series - 1];
    const order = this.#order.subarray(from, this.#ends[series] ?? from);
    if (!this.#withTimes) return order;
    // What is sorted by bucket is nearly sorted by time.
    const times = this.#times;
    let isSorted = true;
    for (let i = 1; i < order.length && isSorted; i++) isSorted = times[order[i - 1]] <= times[order[i]];
    if (!isSorted) order.sort((a, b) => times[a] - times[b] || a - b);
    return order;
  }

  /** Counting sorts, stable: by bucket, then by series. */
  #sort(): Uint32Array<ArrayBuffer> {
    const arrived = new Uint32Array(this.#count);
    for (let i = 0; i < arrived.length; i++) arrived[i] = i;
    const byBucket = countingSort(arrived, this.#buckets, this.#grid.bucketCount).order;
    let seriesCount = 0;
    for (let i = 0; i < this.#count; i++) seriesCount = Math.max(seriesCount, this.#series[i] + 1);
    const { order, ends } = countingSort(byBucket, this.#series, seriesCount);
    this.#ends = ends;
    return order;
  }

  #grow(): void {
    const capacity = this.#times.length * 2;
    this.#memory.charge((capacity - this.#times.length) * sampleBytes);
    const series = new Uint32Array(capacity);
    const buckets = new Uint32Array(capacity);
    const times = new Float64Array(capacity);
    const values = new Float64Array(capacity);
    series.set(this.#series);
    buckets.set(this.#buckets);
    times.set(this.#times);
    values.set(this.#values);
    this.#series = series;
    this.#buckets = buckets;
    this.#times = times;
    this.#values = values;
  }

  /** Samples from..to of each window; the same two arrays for all series. */
  #findWindows(order: Uint32Array): { readonly from: Int32Array; readonly to: Int32Array } {
    const { steps, isDirect } = this.#grid;
    this.#windows ??= {
      bounds: isDirect ? undefined : this.#grid.windows(),
      from: new Int32Array(steps),
      to: new Int32Array(steps),
    };
    const { bounds, from, to } = this.#windows;
    const buckets = this.#buckets;
    const count = order.length;
    let low = 0;
    let high = 0;
    for (let k = 0; k < steps; k++) {
      const first = bounds ? bounds.first[k] : k;
      const last = bounds ? bounds.last[k] : k;
      while (low < count && buckets[order[low]] < first) low++;
      high = Math.max(high, low);
      while (high < count && buckets[order[high]] <= last) high++;
      from[k] = low;
      to[k] = high;
    }
    return this.#windows;
  }
}

/** `items` in the order of their keys, each below `keys`; and where each key's items end. */
function countingSort(
  items: Uint32Array,
  keyOf: Uint32Array,
  keys: number,
): { readonly order: Uint32Array<ArrayBuffer>; readonly ends: Uint32Array<ArrayBuffer> } {
  const next = new Uint32Array(keys + 1);
  for (let i = 0; i < items.length; i++) next[keyOf[items[i]] + 1]++;
  for (let key = 0; key < keys; key++) next[key + 1] += next[key];
  const order = new Uint32Array(items.length);
  for (let i = 0; i < items.length; i++) order[next[keyOf[items[i]]]++] = items[i];
  return { order, ends: next.subarray(0, keys) };
}
