/** A simple leaf, the oracle for tests of the root. */
import { parseDuration } from '@loki/go';
import { parseExpr } from '@loki/logql';
import type { LabelFilter, LogExpr, Matcher, RangeAggExpr } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { LeafRequest, LeafResult, SeriesState } from '@loki/ports';
import { asSampleLeaf, rangeAggOf } from '../common/leaf-expr.ts';
import { labelsKey, sortLabels } from '../common/series-labels.ts';
import { stepCount } from '../merge/merge-samples.ts';
import { groupLabels } from '../root/rows.ts';

/** One stored entry, for tests. */
export interface NaiveEntry {
  readonly timestampNs: bigint;
  readonly line: string;
  readonly labels: ReadonlyMap<string, string>;
}

interface Sample {
  readonly timestampNs: bigint;
  readonly value: number;
  readonly labels: readonly LabelPair[];
}

/**
 * A leaf as one would define it, slow and plain: the oracle that tests of the root run on. It knows
 * selectors, plain `logfmt`, label filters on text and numbers, and unwrap.
 */
export function naiveLeaf(entries: readonly NaiveEntry[], request: LeafRequest): LeafResult {
  if (request.kind === 'log') throw new Error('the naive leaf computes samples');
  const expr = parseExpr(request.expr);
  const leaf = expr.kind === 'log' ? undefined : asSampleLeaf(expr);
  if (!leaf) throw new Error(`not a leaf: ${request.expr}`);
  const range = rangeAggOf(leaf);
  const samples = entries.flatMap((entry) => readSample(entry, range) ?? []);
  const steps = stepCount(request);
  const series = new Map<string, { labels: readonly LabelPair[]; windows: Sample[][] }>();
  for (const sample of samples) {
    let { labels } = sample;
    if (range.grouping) labels = groupLabels(labels, new Set(range.grouping.labels), range.grouping.without);
    if (leaf.kind === 'vectorAgg') {
      labels = groupLabels(labels, new Set(leaf.grouping?.labels), leaf.grouping?.without ?? false);
    }
    if (range.op === 'absent_over_time') labels = [];
    for (let k = 0; k < steps; k++) {
      const end = request.startNs + BigInt(k) * request.stepNs - range.offsetNs;
      if (sample.timestampNs <= end - range.rangeNs || sample.timestampNs > end) continue;
      const key = labelsKey(labels);
      let found = series.get(key);
      if (!found) {
        series.set(key, (found = { labels, windows: Array.from({ length: steps }, (): Sample[] => []) }));
      }
      found.windows[k].push(sample);
    }
  }
  const states = [...series.values()].map(({ labels, windows }) =>
    stateOf(range, labels, windows, request.startNs),
  );
  return { kind: 'samples', steps, series: states, stats: emptyLeafStats() };
}

function readSample(entry: NaiveEntry, { log, unwrap }: RangeAggExpr): Sample | undefined {
  const labels = new Map(entry.labels);
  if (!log.matchers.every((matcher) => matches(matcher, labels.get(matcher.name) ?? ''))) return undefined;
  if (!runStages(entry, log, labels)) return undefined;
  let value = 1;
  if (unwrap) {
    const text = labels.get(unwrap.label);
    labels.delete(unwrap.label);
    if (text === undefined || text === '') return undefined;
    value = convert(text, unwrap.conversion);
    if (Number.isNaN(value)) labels.set('__error__', 'SampleExtractionErr');
    if (!unwrap.filters.every((filter) => passes(filter, labels))) return undefined;
  } else if (log.stages.length === 0) value = Buffer.byteLength(entry.line);
  if (labels.has('__error__')) {
    throw new LokiError('badRequest', `pipeline error: '${labels.get('__error__')}'`);
  }
  return { timestampNs: entry.timestampNs, value, labels: sortLabels([...labels]) };
}

function runStages(entry: NaiveEntry, log: LogExpr, labels: Map<string, string>): boolean {
  for (const stage of log.stages) {
    if (stage.kind === 'labelFilter') {
      if (!passes(stage.filter, labels)) return false;
    } else if (stage.kind === 'logfmt') {
      for (const [, key, value] of entry.line.matchAll(/(\w+)=(\S*)/g)) {
        const wanted = stage.extractions.length === 0 || stage.extractions.some(({ label }) => label === key);
        if (wanted) labels.set(entry.labels.has(key) ? `${key}_extracted` : key, value);
      }
    } else throw new Error(`the naive leaf has no ${stage.kind}`);
  }
  return true;
}

function passes(filter: LabelFilter, labels: ReadonlyMap<string, string>): boolean {
  if (filter.kind === 'string') return matches(filter.matcher, labels.get(filter.matcher.name) ?? '');
  if (filter.kind !== 'number' || filter.op !== '>') throw new Error(`the naive leaf has no such filter`);
  return Number(labels.get(filter.name)) > filter.value;
}

function matches({ op, value }: Matcher, text: string): boolean {
  if (op === '=') return text === value;
  if (op === '!=') return text !== value;
  return new RegExp(`^(?:${value})$`).test(text) === (op === '=~');
}

function convert(text: string, conversion: string): number {
  if (conversion === '') return /^[-+.\deE]+$/.test(text) ? Number(text) : Number.NaN;
  if (conversion !== 'bytes') return Number(parseDuration(text) ?? Number.NaN) / 1e9;
  const match = /^([\d.]+)MiB$/.exec(text);
  return match ? Math.trunc(Number(match[1]) * 2 ** 20) : Number.NaN;
}

/** Of equal timestamps the order of arrival decides, as it does within one stream. */
const noRank = () => 0;

/** The partial state of one series, from all of its samples in each window. */
function stateOf(
  { op, unwrap }: RangeAggExpr,
  labels: readonly LabelPair[],
  windows: readonly Sample[][],
  startNs: bigint,
): SeriesState {
  const sorted = windows.map((window) => window.toSorted((a, b) => Number(a.timestampNs - b.timestampNs)));
  const relative = (sample: Sample) => Number(sample.timestampNs - startNs);
  const column = (compute: (window: readonly Sample[]) => number) =>
    Float64Array.from(sorted, (window) => (window.length === 0 ? 0 : compute(window)));
  const values = (window: readonly Sample[]) => window.map((sample) => sample.value);
  const sum = (window: readonly Sample[]) => values(window).reduce((total, value) => total + value, 0);
  const mean = (window: readonly Sample[]) => sum(window) / window.length;
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
      return { labels, columns: [count, column((window) => Math.min(...values(window)))] };
    case 'max_over_time':
      return { labels, columns: [count, column((window) => Math.max(...values(window)))] };
    case 'stddev_over_time':
    case 'stdvar_over_time': {
      const m2 = column((window) =>
        values(window).reduce((total, value) => total + (value - mean(window)) ** 2, 0),
      );
      return { labels, columns: [count, column(mean), m2] };
    }
    case 'first_over_time':
      return {
        labels,
        columns: [count, column((w) => relative(w[0])), column((w) => w[0].value), column(noRank)],
      };
    case 'last_over_time':
      return {
        labels,
        columns: [count, column((w) => relative(w.at(-1)!)), column((w) => w.at(-1)!.value), column(noRank)],
      };
    case 'quantile_over_time':
    case 'rate_counter': {
      const kept = [...new Set(sorted.flat())].sort((a, b) => Number(a.timestampNs - b.timestampNs));
      const times = Float64Array.from(kept, relative);
      return { labels, columns: [], samples: { times, values: Float64Array.from(values(kept)) } };
    }
  }
}
