/** Leaves computed row by row with the engine's stages: the first oracle of random queries. */
import {
  asSampleLeaf,
  atOnce,
  leafTask,
  mergeLeafResults,
  rangeAggOf,
  stepCount,
  unpackLeafResult,
} from '@loki/engine';
import { parseExpr, printExpr } from '@loki/logql';
import type { Grouping, MetricExpr, RangeAggExpr } from '@loki/logql';
import { parseTenantId } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type {
  LeafRequest,
  LeafResult,
  LogLeafRequest,
  LogLeafResult,
  ObjectStore,
  QuerierService,
  SampleLeafRequest,
  SampleLeafResult,
  SeriesState,
  WorkerEnv,
} from '@loki/ports';
import { encodeSegment, RowWriter } from '@loki/segment';
import type { Push } from './data.ts';

interface StoredRow {
  readonly tenant: string;
  readonly timestampNs: bigint;
  /** A record with this row alone. */
  readonly bytes: Buffer;
}

interface Sample {
  readonly timestampNs: bigint;
  readonly value: number;
  /** Order of the stream: it decides among equal timestamps. */
  readonly rank: number;
}

/**
 * Leaves by their definition: each row goes through its pipeline alone, in a record of its own; results are
 * sorted, cut or added up here, in the plainest way. Stages and the root are the engine's; its optimisations
 * are not used.
 */
export class Oracle implements QuerierService {
  readonly #rows: StoredRow[] = [];
  readonly #env: WorkerEnv = {
    objectStore: undefined as unknown as ObjectStore, // records are given as bytes
    cache: new Map(),
    cacheBytesMax: 1 << 20,
  };

  constructor(pushes: readonly Push[]) {
    const rowKeys = new Set<string>();
    for (const { tenant, streams } of pushes) {
      for (const { labels, rows } of streams) {
        for (const { timestampNs, line, metadata } of rows) {
          const sorted = [...metadata].sort(([a], [b]) => (a < b ? -1 : 1));
          const key = JSON.stringify([tenant, labels.toString(), String(timestampNs), line, sorted]);
          if (rowKeys.has(key)) continue;
          rowKeys.add(key);
          const writer = new RowWriter(parseTenantId(tenant));
          writer.beginRun(labels);
          writer.addRowText(Number(timestampNs / 1_000_000_000n), Number(timestampNs % 1_000_000_000n), line);
          for (const [name, value] of sorted) writer.addMetadata(name, value);
          writer.endRun();
          this.#rows.push({ tenant, timestampNs, bytes: encodeSegment(writer.finish(), { kind: 'record' }) });
        }
      }
    }
  }

  async runLeaf(request: LeafRequest): Promise<LeafResult> {
    return request.kind === 'log' ? this.#log(request) : this.#samples(request);
  }

  async streams(): Promise<never> {
    throw new Error('the oracle answers leaves');
  }

  async *tail(): AsyncIterable<never> {}

  async storedBytes(): Promise<readonly number[]> {
    return [];
  }

  async #leaf(request: LeafRequest, bytes: Uint8Array): Promise<LeafResult> {
    const sources = [{ kind: 'bytes' as const, bytes }];
    return atOnce(unpackLeafResult(await leafTask.run({ request, sources }, this.#env)));
  }

  async #log(request: LogLeafRequest): Promise<LogLeafResult> {
    const matches: { age: number; row: LogLeafResult }[] = [];
    for (const [age, { tenant, bytes }] of this.#rows.entries()) {
      if (tenant !== request.tenant) continue;
      const unlimited: LogLeafRequest = { ...request, limit: 0 };
      const row = await this.#leaf(unlimited, bytes);
      if (row.kind === 'log' && row.timestampNs.length > 0) matches.push({ age, row });
    }
    const isForward = request.direction === 'forward';
    matches.sort((a, b) => {
      const [left, right] = [a.row.timestampNs[0], b.row.timestampNs[0]];
      if (left !== right) return left < right === isForward ? -1 : 1;
      const [one, other] = [a.row.labelSets[0].origin, b.row.labelSets[0].origin];
      if (one.hash !== other.hash) return one.hash < other.hash ? -1 : 1;
      if (one.text !== other.text) return one.text < other.text ? -1 : 1;
      return isForward ? a.age - b.age : b.age - a.age;
    });
    return concatenated(
      request,
      matches.slice(0, request.limit > 0 ? request.limit : undefined).map(({ row }) => row),
    );
  }

  async #samples(request: SampleLeafRequest): Promise<SampleLeafResult> {
    const expr = parseExpr(request.expr);
    const leaf = expr.kind === 'log' ? undefined : asSampleLeaf(expr);
    if (!leaf) throw new Error(`not a sample leaf: ${request.expr}`);
    const range = rangeAggOf(leaf);
    // A row counts as present with any labels and any error.
    const isAbsent = range.op === 'absent_over_time';
    const grouping = isAbsent ? undefined : (groupingOf(leaf) ?? range.grouping);
    const rowExpr = printExpr(oneRow(range, grouping));
    const steps = stepCount(request);
    const series = new Map<string, { labels: readonly LabelPair[]; windows: Sample[][] }>();
    for (const { tenant, timestampNs, bytes } of this.#rows) {
      if (tenant !== request.tenant) continue;
      const windows: number[] = [];
      for (let k = 0; k < steps; k++) {
        const endNs = request.startNs + BigInt(k) * request.stepNs - range.offsetNs;
        if (timestampNs > endNs - range.rangeNs && timestampNs <= endNs) windows.push(k);
      }
      if (windows.length === 0) continue;
      const at: LeafRequest = {
        ...request,
        expr: rowExpr,
        startNs: timestampNs,
        endNs: timestampNs,
        stepNs: 0n,
      };
      const result = await this.#leaf(at, bytes);
      if (result.kind !== 'samples') throw new Error('a sample leaf answered with lines');
      for (const { labels: own, columns } of result.series) {
        if (columns[0][0] === 0) continue;
        // To a vector aggregation an empty label is none.
        const labels = isAbsent
          ? []
          : leaf.kind === 'vectorAgg'
            ? own.filter(([, value]) => value !== '')
            : own;
        const key = JSON.stringify(labels);
        let entry = series.get(key);
        if (!entry) series.set(key, (entry = { labels, windows: Array.from({ length: steps }, () => []) }));
        // One object for all windows: some states keep a sample once.
        const sample: Sample = {
          timestampNs,
          value: isAbsent ? 1 : range.unwrap ? columns[2][0] : (columns[1]?.[0] ?? 1),
          rank: range.unwrap && !isAbsent ? columns[3][0] : 0,
        };
        for (const k of windows) entry.windows[k].push(sample);
      }
    }
    const states = [...series.values()].map(({ labels, windows }) =>
      stateOf(range, labels, windows, request.startNs),
    );
    return { kind: 'samples', steps, series: states, stats: emptyLeafStats() };
  }
}

const everything: Grouping = { without: false, labels: [] };

/** A vector aggregation without grouping makes one series. */
function groupingOf(leaf: MetricExpr): Grouping | undefined {
  return leaf.kind === 'vectorAgg' ? (leaf.grouping ?? everything) : undefined;
}

/** An expression whose answer shows the labels and the value of one row. */
function oneRow(range: RangeAggExpr, grouping: Grouping | undefined): MetricExpr {
  const oneSample = {
    ...range,
    parameter: undefined,
    grouping: undefined,
    rangeNs: 1_000_000_000n,
    offsetNs: 0n,
  };
  if (range.op === 'absent_over_time') return oneSample;
  if (range.unwrap) return { ...oneSample, op: 'last_over_time', grouping };
  // The line formats that matter depend on whether bytes are counted.
  const isOfBytes = range.op === 'bytes_over_time' || range.op === 'bytes_rate';
  const sample: RangeAggExpr = { ...oneSample, op: isOfBytes ? 'bytes_over_time' : 'count_over_time' };
  return grouping ? { kind: 'vectorAgg', op: 'sum', grouping, expr: sample } : sample;
}

function concatenated(request: LogLeafRequest, rows: readonly LogLeafResult[]): LogLeafResult {
  if (rows.length === 0) return atOnce(mergeLeafResults(request, [])) as LogLeafResult;
  let end = 0;
  return {
    kind: 'log',
    labelSets: rows.map((row) => row.labelSets[row.labelSet[0]]),
    labelSet: Uint32Array.from(rows, (_, i) => i),
    timestampNs: BigInt64Array.from(rows, (row) => row.timestampNs[0]),
    lineEnds: Uint32Array.from(rows, (row) => (end += row.lines.length)),
    lines: Buffer.concat(rows.map((row) => row.lines)),
    stats: emptyLeafStats(),
  };
}

/** The partial state of one series, from all of its samples in each window. */
function stateOf(
  { op, unwrap }: RangeAggExpr,
  labels: readonly LabelPair[],
  windows: readonly Sample[][],
  startNs: bigint,
): SeriesState {
  const byTimeAndRank = (a: Sample, b: Sample) => Number(a.timestampNs - b.timestampNs) || a.rank - b.rank;
  const sorted = windows.map((window) => window.toSorted(byTimeAndRank));
  const relative = (sample: Sample) => Number(sample.timestampNs - startNs);
  const column = (compute: (window: readonly Sample[]) => number) =>
    Float64Array.from(sorted, (window) => (window.length === 0 ? 0 : compute(window)));
  const sum = (window: readonly Sample[]) => window.reduce((total, { value }) => total + value, 0);
  const mean = (window: readonly Sample[]) => sum(window) / window.length;
  /** NaN counts as no bound: any number is better. */
  const best = (isBetter: (a: number, b: number) => boolean) => (window: readonly Sample[]) =>
    window.reduce(
      (extreme, { value }) => (Number.isNaN(extreme) || isBetter(value, extreme) ? value : extreme),
      Number.NaN,
    );
  const count = column((window) => window.length);
  switch (op) {
    case 'count_over_time':
    case 'absent_over_time':
      return { labels, columns: [count] };
    case 'rate':
      return { labels, columns: unwrap ? [count, column(sum)] : [count] };
    case 'bytes_over_time':
    case 'bytes_rate':
    case 'sum_over_time':
    case 'avg_over_time':
      return { labels, columns: [count, column(sum)] };
    case 'min_over_time':
      return { labels, columns: [count, column(best((a, b) => a < b))] };
    case 'max_over_time':
      return { labels, columns: [count, column(best((a, b) => a > b))] };
    case 'stddev_over_time':
    case 'stdvar_over_time': {
      const m2 = column((window) =>
        window.reduce((total, { value }) => total + (value - mean(window)) ** 2, 0),
      );
      return { labels, columns: [count, column(mean), m2] };
    }
    case 'first_over_time':
      return {
        labels,
        columns: [count, column((w) => relative(w[0])), column((w) => w[0].value), column((w) => w[0].rank)],
      };
    case 'last_over_time':
      return {
        labels,
        columns: [
          count,
          column((w) => relative(w.at(-1)!)),
          column((w) => w.at(-1)!.value),
          column((w) => w.at(-1)!.rank),
        ],
      };
    case 'quantile_over_time':
    case 'rate_counter': {
      const samples = [...new Set(sorted.flat())].sort(byTimeAndRank);
      const times = Float64Array.from(samples, relative);
      return {
        labels,
        columns: [],
        samples: { times, values: Float64Array.from(samples, ({ value }) => value) },
      };
    }
  }
}
