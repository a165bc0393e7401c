/** Results of leaves as messages of columns: step *fetch, scan* of a query, between processes. */
import { emptyLeafStats } from '@loki/ports';
import type {
  LabelSet,
  LeafResult,
  LeafStats,
  LogLeafResult,
  SampleLeafResult,
  SeriesState,
} from '@loki/ports';
import type { WireLabelSet, WireLeafResult, WireLogResult, WireSampleResult, WireSeries } from '@loki/proto';
import {
  bytesOf,
  checkEnds,
  flatPairs,
  float64Column,
  int64Column,
  malformed,
  pairsOf,
  uint32Column,
} from './columns.ts';

export function leafResultToWire(result: LeafResult): WireLeafResult {
  const stats = result.stats;
  return result.kind === 'log'
    ? { kind: { $case: 'log', log: logToWire(result) }, stats }
    : { kind: { $case: 'samples', samples: samplesToWire(result) }, stats };
}

/** @throws LokiError internal when columns are inconsistent; the result is safe to index */
export function leafResultFromWire(wire: WireLeafResult | undefined): LeafResult {
  if (wire?.kind === undefined) throw malformed('a result of no kind');
  const stats: LeafStats = { ...emptyLeafStats(), ...wire.stats };
  return wire.kind.$case === 'log'
    ? logFromWire(wire.kind.log, stats)
    : samplesFromWire(wire.kind.samples, stats);
}

function logToWire(result: LogLeafResult): WireLogResult {
  return {
    labelSets: result.labelSets.map(labelSetToWire),
    labelSet: bytesOf(result.labelSet),
    timestampNs: bytesOf(result.timestampNs),
    lineEnds: bytesOf(result.lineEnds),
    lines: result.lines,
  };
}

export function labelSetToWire(set: LabelSet): WireLabelSet {
  return {
    stream: flatPairs(set.stream),
    structuredMetadata: flatPairs(set.structuredMetadata),
    parsed: flatPairs(set.parsed),
    streamHash: set.origin.hash,
    streamText: set.origin.text,
  };
}

export function labelSetFromWire(set: WireLabelSet): LabelSet {
  return {
    stream: pairsOf(set.stream),
    structuredMetadata: pairsOf(set.structuredMetadata),
    parsed: pairsOf(set.parsed),
    origin: { hash: set.streamHash, text: set.streamText },
  };
}

function logFromWire(wire: WireLogResult, stats: LeafStats): LogLeafResult {
  return logOfColumns(wire.labelSets.map(labelSetFromWire), wire, stats);
}

/** @throws LokiError internal when columns are inconsistent */
export function logOfColumns(
  labelSets: readonly LabelSet[],
  wire: Omit<WireLogResult, 'labelSets'>,
  stats: LeafStats,
): LogLeafResult {
  const labelSet = uint32Column(wire.labelSet);
  const timestampNs = int64Column(wire.timestampNs);
  const lineEnds = uint32Column(wire.lineEnds);
  if (labelSet.length !== timestampNs.length || lineEnds.length !== timestampNs.length) {
    throw malformed('columns of different lengths');
  }
  for (let row = 0; row < labelSet.length; row++) {
    if (labelSet[row] >= labelSets.length) throw malformed('a row without labels');
  }
  checkEnds(lineEnds, wire.lines.length);
  return { kind: 'log', labelSets, labelSet, timestampNs, lineEnds, lines: wire.lines, stats };
}

function samplesToWire(result: SampleLeafResult): WireSampleResult {
  const { steps } = result;
  return {
    steps,
    series: result.series.map((each) => seriesToWire(each, steps)),
  };
}

export function seriesToWire({ labels, columns, samples }: SeriesState, steps: number): WireSeries {
  return {
    labels: flatPairs(labels),
    columns: joinColumns(columns, steps),
    samples: samples && { times: bytesOf(samples.times), values: bytesOf(samples.values) },
  };
}

function joinColumns(columns: readonly Float64Array[], steps: number): Uint8Array {
  if (columns.length === 1) return bytesOf(columns[0]);
  const all = new Float64Array(columns.length * steps);
  columns.forEach((column, i) => all.set(column, i * steps));
  return bytesOf(all);
}

function samplesFromWire(wire: WireSampleResult, stats: LeafStats): SampleLeafResult {
  const { steps } = wire;
  return { kind: 'samples', steps, series: wire.series.map((each) => seriesFromWire(each, steps)), stats };
}

/** @throws LokiError internal when columns are inconsistent */
export function seriesFromWire(wire: WireSeries, steps: number): SeriesState {
  const all = float64Column(wire.columns);
  if (steps === 0 ? all.length > 0 : all.length % steps !== 0) {
    throw malformed('a column of too few steps');
  }
  const columns: Float64Array[] = [];
  for (let at = 0; at < all.length; at += steps) columns.push(all.subarray(at, at + steps));
  const labels = pairsOf(wire.labels);
  if (!wire.samples) {
    if (columns.length === 0) throw malformed('a state of no columns');
    return { labels, columns };
  }
  const times = float64Column(wire.samples.times);
  const values = float64Column(wire.samples.values);
  if (times.length !== values.length) throw malformed('columns of different lengths');
  return { labels, columns, samples: { times, values } };
}
