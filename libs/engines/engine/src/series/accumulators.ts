/** Partial states of range aggregations, by operation: step *fetch, scan* of a query. */
import type { RangeOp } from '@loki/logql';
import type { SeriesState } from '@loki/ports';
import type { MemoryBudget } from '../common/memory-budget.ts';
import type { StepGrid } from '../common/step-grid.ts';
import type { Accumulator } from './accumulator.ts';
import { ColumnSlabs } from './column-slabs.ts';
import { SampleKeeper } from './sample-keeper.ts';
import { slideWindows, windowScratch } from './slide-windows.ts';
import type { WindowMerge, WindowScratch } from './slide-windows.ts';

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
    case 'rate_counter':
      return new SampleKeeper(memory);
  }
}

type Columns = readonly Float64Array[];

/**
 * The columns of an operation: how a sample is added, and how columns merge. Column 0 is always the count.
 */
interface ColumnKind extends WindowMerge {
  readonly columns: number;
  /** Adds a sample, before column 0 counts it. */
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
      if (count[bucket] === 0 || isBetter(value, best[bucket]) || Number.isNaN(best[bucket])) {
        best[bucket] = value;
      }
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
    const added = from[0][index];
    if (added === 0) return;
    const [count, mean, squares] = into;
    const delta = from[1][index] - mean[at];
    const total = count[at] + added;
    squares[at] += from[2][index] + (delta * delta * count[at] * added) / total;
    mean[at] += (delta * added) / total;
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
 * Whether a sample is the earlier (or later) one: by time, then by stream as in log queries, then by arrival.
 * The result must not depend on where rows are stored.
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
  /** Separate slabs, so that those of buckets are released when their series are finished. */
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

/** Bytes of a typed array without its numbers. */
const columnOverheadBytes = 100;
