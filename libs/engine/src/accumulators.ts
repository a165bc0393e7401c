import type { RangeOp } from '@loki/logql';
import type { SeriesState } from '@loki/ports';
import type { MemoryBudget } from './memory-budget.ts';
import { slideWindows, type WindowMerge } from './slide-windows.ts';
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
    const windows = slideWindows(this.#grid, columns, this.#kind);
    this.#series[series] = undefined;
    this.#memory.release(this.#bytesOf(this.#grid.bucketCount));
    return { columns: windows };
  }

  #make(series: number): Columns {
    const { bucketCount } = this.#grid;
    this.#memory.charge(this.#bytesOf(bucketCount));
    const columns = Array.from({ length: this.#kind.columns }, () => new Float64Array(bucketCount));
    this.#series[series] = columns;
    return columns;
  }

  #bytesOf(cells: number): number {
    return this.#kind.columns * (cells * 8 + columnOverheadBytes);
  }
}

/** A typed array of its own, besides its numbers. */
const columnOverheadBytes = 100;

interface Samples {
  count: number;
  buckets: Int32Array;
  times: Float64Array;
  values: Float64Array;
  isSorted: boolean;
}

const samplesAtFirst = 16;
/** Bucket, time and value. */
const sampleBytes = 20;

/** Keeps every sample: quantiles need the values of each window, counters their order too. */
class ValueAccumulator implements Accumulator {
  readonly usesRanks = false;
  readonly #grid: StepGrid;
  readonly #withTimes: boolean;
  readonly #memory: MemoryBudget;
  readonly #series: (Samples | undefined)[] = [];

  constructor(grid: StepGrid, withTimes: boolean, memory: MemoryBudget) {
    this.#grid = grid;
    this.#withTimes = withTimes;
    this.#memory = memory;
  }

  add(series: number, bucket: number, time: number, value: number): void {
    const samples = this.#series[series] ?? this.#make(series);
    if (samples.count === samples.times.length) {
      this.#memory.charge(samples.count * sampleBytes);
      grow(samples);
    }
    const at = samples.count++;
    if (at > 0 && samples.times[at - 1] > time) samples.isSorted = false;
    samples.buckets[at] = bucket;
    samples.times[at] = time;
    samples.values[at] = value;
  }

  addMany(): void {
    throw new Error('this operation needs every value');
  }

  finish(series: number): Pick<SeriesState, 'columns' | 'values'> {
    const samples = sortSamples(
      this.#series[series] ?? this.#make(series),
      this.#grid.bucketCount,
      this.#withTimes,
    );
    const { steps } = this.#grid;
    const { from, to } = this.#windowRows(samples);
    const perSample = this.#withTimes ? 2 : 1;
    let total = 0;
    for (let k = 0; k < steps; k++) total += to[k] - from[k];
    this.#memory.charge(total * perSample * 8 + steps * 12);
    const count = new Float64Array(steps);
    const ends = new Uint32Array(steps);
    const values = new Float64Array(total * perSample);
    let end = 0;
    for (let k = 0; k < steps; k++) {
      count[k] = to[k] - from[k];
      for (let i = from[k]; i < to[k]; i++) {
        if (this.#withTimes) values[end++] = samples.times[i];
        values[end++] = samples.values[i];
      }
      ends[k] = end;
    }
    this.#memory.release(this.#series[series]!.times.length * sampleBytes);
    this.#series[series] = undefined;
    return { columns: [count], values: { ends, values } };
  }

  #make(series: number): Samples {
    this.#memory.charge(samplesAtFirst * sampleBytes);
    const samples = {
      count: 0,
      buckets: new Int32Array(samplesAtFirst),
      times: new Float64Array(samplesAtFirst),
      values: new Float64Array(samplesAtFirst),
      isSorted: true,
    };
    this.#series[series] = samples;
    return samples;
  }

  /** Samples from..to of each window; samples are sorted by time, hence by bucket. */
  #windowRows({ count, buckets }: Samples): { from: Int32Array; to: Int32Array } {
    const { steps, isDirect } = this.#grid;
    const bounds = isDirect ? undefined : this.#grid.windows();
    const from = new Int32Array(steps);
    const to = new Int32Array(steps);
    let low = 0;
    let high = 0;
    for (let k = 0; k < steps; k++) {
      const first = bounds ? bounds.first[k] : k;
      const last = bounds ? bounds.last[k] : k;
      while (low < count && buckets[low] < first) low++;
      high = Math.max(high, low);
      while (high < count && buckets[high] <= last) high++;
      from[k] = low;
      to[k] = high;
    }
    return { from, to };
  }
}

function grow(samples: Samples): void {
  const capacity = samples.times.length * 2;
  const buckets = new Int32Array(capacity);
  const times = new Float64Array(capacity);
  const values = new Float64Array(capacity);
  buckets.set(samples.buckets);
  times.set(samples.times);
  values.set(samples.values);
  Object.assign(samples, { buckets, times, values });
}

/** In order of time; of buckets at least, where times do not matter. Stable. */
function sortSamples(samples: Samples, bucketCount: number, byTime: boolean): Samples {
  if (samples.isSorted) return samples;
  const { count } = samples;
  const next = new Uint32Array(bucketCount + 1);
  for (let i = 0; i < count; i++) next[samples.buckets[i] + 1]++;
  for (let b = 0; b < bucketCount; b++) next[b + 1] += next[b];
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[next[samples.buckets[i]]++] = i;
  if (byTime) {
    // What is sorted by bucket is nearly sorted by time.
    order.sort((a, b) => samples.times[a] - samples.times[b] || a - b);
  }
  return {
    count,
    buckets: Int32Array.from(order, (i) => samples.buckets[i]),
    times: Float64Array.from(order, (i) => samples.times[i]),
    values: Float64Array.from(order, (i) => samples.values[i]),
    isSorted: true,
  };
}
