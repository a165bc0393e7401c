/** Leaf requests and results as messages: step *fetch, scan* of a query, between processes. */
import type { TenantId } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type {
  CachePolicy,
  LabelSet,
  LeafRequest,
  LeafResult,
  LeafStats,
  LogLeafResult,
  PartitionHead,
  ResultsKind,
  SampleLeafResult,
  SeriesState,
  StreamGrouping,
  StreamsRequest,
  StreamVolume,
  TailFrame,
} from '@loki/ports';
import type {
  WireCachePolicy,
  WireLabelSet,
  WireLeafRequest,
  WireLeafResult,
  WireLogResult,
  WirePartitionHeads,
  WireSampleResult,
  WireSeries,
  WireStreamGrouping,
  WireStreamsRequest,
  WireStreamVolume,
  WireTailFrame,
} from '@loki/proto';
import {
  bytesOf,
  checkEnds,
  flatPairs,
  float64Column,
  int64Column,
  malformed,
  pairsOf,
  textsFromWire,
  textsToWire,
  uint32Column,
} from './columns.ts';

/** A request as a message. The tenant travels separately. */
export function leafRequestToWire(request: LeafRequest): WireLeafRequest {
  const {
    expr,
    shard,
    startNs,
    endNs,
    deletes = [],
    memoryBytesMax = 0,
    cache,
    isDryRun = false,
    heads,
  } = request;
  return {
    expr,
    deletes: deletes.map((each) => ({ ...each, except: [...(each.except ?? [])] })),
    shard: shard && { index: shard.index, of: shard.of },
    startNs,
    endNs,
    memoryBytesMax: BigInt(Math.ceil(memoryBytesMax)),
    cache,
    isDryRun,
    heads: heads && partitionHeadsToWire(heads),
    kind:
      request.kind === 'log'
        ? { $case: 'log', log: { backward: request.direction === 'backward', limit: request.limit } }
        : { $case: 'samples', samples: { stepNs: request.stepNs, seriesMax: request.seriesMax } },
  };
}

export function leafRequestFromWire(wire: WireLeafRequest | undefined, tenant: TenantId): LeafRequest {
  if (wire?.kind === undefined) throw malformed('a leaf of no kind');
  const { expr, shard, startNs, endNs, kind } = wire;
  if (shard && shard.index >= shard.of) throw malformed('a shard beyond the last');
  const deletes = wire.deletes.map(({ except, ...each }) => (except.length > 0 ? { ...each, except } : each));
  const base = {
    tenant,
    expr,
    startNs,
    endNs,
    ...(shard ? { shard } : {}),
    ...(deletes.length > 0 ? { deletes } : {}),
    ...(wire.memoryBytesMax > 0n ? { memoryBytesMax: Number(wire.memoryBytesMax) } : {}),
    ...(wire.cache ? { cache: cacheFromWire(wire.cache) } : {}),
    ...(wire.isDryRun ? { isDryRun: true } : {}),
    ...(wire.heads ? { heads: partitionHeadsFromWire(wire.heads) } : {}),
  };
  if (kind.$case === 'log') {
    const { backward, limit } = kind.log;
    return { ...base, kind: 'log', direction: backward ? 'backward' : 'forward', limit };
  }
  const { stepNs, seriesMax } = kind.samples;
  if (stepNs < 0n || endNs < startNs) throw malformed('steps that go back');
  return { ...base, kind: 'samples', stepNs, seriesMax };
}

/** Stands for a head without rows. */
const noRowNs = 2n ** 63n - 1n;

export function partitionHeadsToWire(heads: readonly PartitionHead[]): WirePartitionHeads {
  return {
    partitions: heads.map(({ partition }) => partition),
    committedOffsets: heads.map(({ committedOffset }) => BigInt(committedOffset)),
    oldestNs: heads.map(({ oldestNs }) => oldestNs ?? noRowNs),
  };
}

export function partitionHeadsFromWire(wire: WirePartitionHeads): PartitionHead[] {
  const { partitions, committedOffsets, oldestNs } = wire;
  if (committedOffsets.length !== partitions.length || oldestNs.length !== partitions.length) {
    throw malformed('heads without bounds');
  }
  return partitions.map((partition, i) => ({
    partition,
    committedOffset: Number(committedOffsets[i]),
    oldestNs: oldestNs[i] === noRowNs ? undefined : oldestNs[i],
  }));
}

const resultsKinds: ReadonlySet<string> = new Set<ResultsKind>([
  'results',
  'instant',
  'labels',
  'series',
  'stats',
  'volume',
]);

function cacheFromWire({ kind, splitNs, newestNs }: WireCachePolicy): CachePolicy {
  if (!resultsKinds.has(kind) || splitNs < 0n) throw malformed('a cache of no kind');
  return { kind: kind as ResultsKind, splitNs, newestNs };
}

function leafResultToWire(result: LeafResult): WireLeafResult {
  const stats = result.stats;
  return result.kind === 'log'
    ? { kind: { $case: 'log', log: logToWire(result) }, stats }
    : { kind: { $case: 'samples', samples: samplesToWire(result) }, stats };
}

/** @throws LokiError internal when columns are inconsistent; the result is safe to index */
function leafResultFromWire(wire: WireLeafResult | undefined): LeafResult {
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

export function streamsRequestToWire(request: StreamsRequest): WireStreamsRequest {
  const { selector, startNs, endNs, volume, purpose = '', group, cache, heads } = request;
  const { by, names = [], withValues = false } = group ?? {};
  return {
    selector,
    startNs,
    endNs,
    volume: volume && { stepNs: volume.stepNs },
    purpose,
    group: group && { byName: by === 'name', names: [...names], withValues },
    cache,
    heads: heads && partitionHeadsToWire(heads),
  };
}

export function streamsRequestFromWire(
  wire: WireStreamsRequest | undefined,
  tenant: TenantId,
): StreamsRequest {
  if (!wire) throw malformed('no selector');
  const { selector, startNs, endNs, volume, purpose, group, cache, heads } = wire;
  if (volume && volume.stepNs < 0n) throw malformed('steps that go back');
  return {
    tenant,
    selector,
    startNs,
    endNs,
    ...(volume ? { volume: { stepNs: volume.stepNs } } : {}),
    ...(purpose === 'labels' || purpose === 'stats' ? { purpose } : {}),
    ...(group ? { group: groupFromWire(group) } : {}),
    ...(cache ? { cache: cacheFromWire(cache) } : {}),
    ...(heads ? { heads: partitionHeadsFromWire(heads) } : {}),
  };
}

function groupFromWire({ byName, names, withValues }: WireStreamGrouping): StreamGrouping {
  if (!byName && names.length === 0) throw malformed('a grouping by no labels');
  return {
    by: byName ? 'name' : 'labels',
    ...(names.length > 0 ? { names } : {}),
    ...(withValues ? { withValues } : {}),
  };
}

export function streamVolumeToWire(stream: StreamVolume): WireStreamVolume {
  const { labels, entries, lineBytes, volume, values } = stream;
  return {
    labels: flatPairs(labels),
    entries,
    lineBytes,
    volume: volume && {
      bucket: bytesOf(Uint32Array.from(volume.bucket)),
      bytes: bytesOf(Float64Array.from(volume.bytes)),
    },
    values: values && textsToWire(values),
  };
}

export function streamVolumeFromWire(wire: WireStreamVolume): StreamVolume {
  const { labels, entries, lineBytes, volume, values } = wire;
  const texts = values && { values: textsFromWire(values) };
  const base = { labels: pairsOf(labels), entries, lineBytes, ...texts };
  if (!volume) return base;
  const bucket = [...uint32Column(volume.bucket)];
  const bytes = [...float64Column(volume.bytes)];
  if (bucket.length !== bytes.length) throw malformed('columns of different lengths');
  return { ...base, volume: { bucket, bytes } };
}

export function tailFrameToWire(frame: TailFrame): WireTailFrame {
  const { result, dropped, nextOffset } = frame;
  return {
    result: leafResultToWire(result),
    dropped: BigInt(dropped),
    nextOffset: nextOffset === undefined ? undefined : BigInt(nextOffset),
  };
}

export function tailFrameFromWire(wire: WireTailFrame): TailFrame {
  const { result, dropped, nextOffset } = wire;
  return {
    result: leafResultFromWire(result),
    dropped: Number(dropped),
    ...(nextOffset === undefined ? {} : { nextOffset: Number(nextOffset) }),
  };
}
