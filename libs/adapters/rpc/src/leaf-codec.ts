/** Leaf requests and results as messages: step *fetch, scan* of a query, between processes. */
import type { TenantId } from '@loki/model';
import type {
  CachePolicy,
  LeafRequest,
  PartitionHead,
  ResultsKind,
  StreamGrouping,
  StreamVolume,
  StreamsRequest,
  TailFrame,
} from '@loki/ports';
import type {
  WireCachePolicy,
  WireLeafRequest,
  WirePartitionHeads,
  WireStreamGrouping,
  WireStreamVolume,
  WireStreamsRequest,
  WireTailFrame,
} from '@loki/proto';
import {
  bytesOf,
  flatPairs,
  float64Column,
  malformed,
  pairsOf,
  textsFromWire,
  textsToWire,
  uint32Column,
} from './columns.ts';
import { leafResultFromWire, leafResultToWire } from './leaf-result-codec.ts';

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
