/** Cuts a leaf into parts by time and stream: step *cut* of a query. */
import {
  ceilTo,
  isShardable,
  isSplittable,
  joinRanges,
  splitRange,
  splitSteps,
  stepCount,
} from '@loki/engine';
import { parseLeafText, rangeAggregationOf } from '@loki/logql';
import type { LeafRequest, LogLeafRequest, SampleLeafRequest, StreamShard } from '@loki/ports';
import type { Weights } from './weights.ts';

export interface CutLimits {
  /** 0: time is not split. */
  readonly splitNs: bigint;
  /** Time at or after `fromNs` is cut at multiples of another interval. */
  readonly recent?: { readonly fromNs: bigint; readonly splitNs: bigint };
  /** Bytes that one querier should read for one part. */
  readonly bytesPerShard: number;
  /** Most shards of one stretch of time; 1: no sharding. */
  readonly shardsMax: number;
  readonly strategy: 'power_of_two' | 'bounded';
  /** A stretch that ends at or after this time is not sharded. */
  readonly shardBeforeNs: bigint;
  readonly shardAggregations: readonly string[];
}

/**
 * A stretch of a leaf's time with its shards. The results of shards merge; the results of stretches are then
 * joined in time.
 */
export interface Stretch<Request extends LeafRequest> {
  /** The request over all streams. */
  readonly request: Request;
  readonly shards: readonly StreamShard[];
  readonly bytes: number;
}

/**
 * Cuts a leaf into stretches of time of about `bytesPerShard`, on borders that are independent of the query's
 * range, and larger stretches into shards. Each stretch costs a request to each partition's owner, which is
 * expensive compared with reading few bytes: a leaf over few bytes is not cut, however long its time range.
 *
 * @param weights bytes that the leaf selects, by time; undefined: unknown, then the leaf is not cut
 * @returns in order of time
 */
export function cutLeaf(
  request: LeafRequest,
  weights: Weights | undefined,
  limits: CutLimits,
): Stretch<LeafRequest>[] {
  const uncut = { request, shards: [], bytes: weights?.total ?? 0 };
  if (!weights || weights.total <= limits.bytesPerShard) return [uncut];
  const stretches = isSplittable(request.expr) ? timeStretches(request, weights, limits) : [uncut];
  if (limits.shardsMax <= 1 || !isShardable(request.expr, limits.shardAggregations)) return stretches;
  return stretches.map((stretch) => {
    if (windowEnd(stretch.request) > limits.shardBeforeNs) return stretch;
    return { ...stretch, shards: shardsOf(stretch.bytes / limits.bytesPerShard, limits) };
  });
}

function shardsOf(minCount: number, { shardsMax, strategy }: CutLimits): StreamShard[] {
  if (minCount <= 1) return [];
  const count = strategy === 'bounded' ? Math.ceil(minCount) : 2 ** Math.ceil(Math.log2(minCount));
  const of = Math.min(count, strategy === 'bounded' ? shardsMax : 2 ** Math.floor(Math.log2(shardsMax)));
  return of <= 1 ? [] : Array.from({ length: of }, (_, index) => ({ index, of }));
}

function timeStretches(request: LeafRequest, weights: Weights, limits: CutLimits): Stretch<LeafRequest>[] {
  if (limits.splitNs <= 0n) return [{ request, shards: [], bytes: weights.total }];
  if (request.kind === 'log') return logStretches(request, weights, limits);
  return stepCount(request) === 1
    ? rangeStretches(request, weights, limits)
    : stepStretches(request, weights, limits);
}

/** Log queries: [startNs, endNs) at multiples of the interval. */
function logStretches(request: LogLeafRequest, weights: Weights, limits: CutLimits): Stretch<LeafRequest>[] {
  const { startNs, endNs } = request;
  const interval = boundedInterval(limits.splitNs, endNs - startNs);
  const recent = limits.recent && boundedInterval(limits.recent.splitNs, endNs - startNs);
  const intervals: Interval<LogLeafRequest>[] = [];
  for (let fromNs = startNs; fromNs < endNs;) {
    const isRecent = recent !== undefined && fromNs >= limits.recent!.fromNs;
    const borderNs = ceilTo(fromNs + 1n, isRecent ? recent : interval);
    const toNs = borderNs < endNs ? borderNs : endNs;
    intervals.push({
      request: { ...request, startNs: fromNs, endNs: toNs },
      bytes: weights.between(fromNs, toNs),
    });
    fromNs = toNs;
  }
  return joinIntervals(intervals, limits.bytesPerShard, (stretch) => ({
    ...stretch[0].request,
    endNs: stretch[stretch.length - 1].request.endNs,
  }));
}

/** Most intervals of a leaf; a longer range has longer intervals. */
const intervalsMax = 1024n;

export function boundedInterval(intervalNs: bigint, lengthNs: bigint): bigint {
  let interval = intervalNs;
  while (lengthNs / interval > intervalsMax) interval *= 2n;
  return interval;
}

/**
 * Steps: each in one stretch. A step's window begins a range before it, so that neighbouring stretches read
 * the same range twice: a stretch is at least as long as that.
 */
function stepStretches(
  request: SampleLeafRequest,
  weights: Weights,
  limits: CutLimits,
): Stretch<LeafRequest>[] {
  const { rangeNs, offsetNs } = rangeOf(request);
  const atLeastRange = (splitNs: bigint) => (rangeNs > splitNs ? ceilTo(rangeNs, splitNs) : splitNs);
  const cut = splitSteps(request, atLeastRange(limits.splitNs)).flatMap((part) => {
    const { recent } = limits;
    if (!recent || part.startNs - offsetNs < recent.fromNs) return [part];
    return splitSteps(part, boundedInterval(atLeastRange(recent.splitNs), request.endNs - request.startNs));
  });
  let beforeNs = request.startNs - rangeNs;
  const intervals = cut.map((part): Interval<SampleLeafRequest> => {
    const bytes = weights.between(beforeNs - offsetNs, part.endNs - offsetNs);
    beforeNs = part.endNs;
    return { request: part, bytes };
  });
  return joinIntervals(intervals, limits.bytesPerShard, (stretch) => ({
    ...stretch[0].request,
    endNs: stretch[stretch.length - 1].request.endNs,
  }));
}

/** One step over a long range: its window in intervals. */
function rangeStretches(
  request: SampleLeafRequest,
  weights: Weights,
  limits: CutLimits,
): Stretch<LeafRequest>[] {
  const split = splitRange(request, limits.splitNs);
  if (!split) return [{ request, shards: [], bytes: weights.total }];
  const requests = [
    ...(split.first ? [split.first] : []),
    ...splitSteps(split.middle, split.middle.stepNs),
    ...(split.last ? [split.last] : []),
  ];
  const intervals = requests.map((part): Interval<SampleLeafRequest> => ({
    request: { ...part, stepNs: 0n },
    bytes: weights.between(part.startNs - rangeOf(part).rangeNs, part.endNs),
  }));
  return joinIntervals(intervals, limits.bytesPerShard, (stretch) =>
    joinRanges(stretch.map(({ request }) => request)),
  );
}

/** The time between two neighbouring borders. */
interface Interval<Request extends LeafRequest> {
  readonly request: Request;
  readonly bytes: number;
}

/**
 * Joins adjacent intervals to stretches of at most `bytesMax`; a larger interval is a stretch by itself.
 */
function joinIntervals<Request extends LeafRequest>(
  intervals: readonly Interval<Request>[],
  bytesMax: number,
  join: (stretch: readonly Interval<Request>[]) => Request,
): Stretch<Request>[] {
  const stretches: Interval<Request>[][] = [];
  let stretchBytes = 0;
  for (const interval of intervals) {
    const last = stretches.at(-1);
    if (last && stretchBytes + interval.bytes <= bytesMax) {
      last.push(interval);
      stretchBytes += interval.bytes;
    } else {
      stretches.push([interval]);
      stretchBytes = interval.bytes;
    }
  }
  return stretches.map((stretch) => ({
    request: stretch.length === 1 ? stretch[0].request : join(stretch),
    shards: [],
    bytes: stretch.reduce((sum, { bytes }) => sum + bytes, 0),
  }));
}

function rangeOf(request: SampleLeafRequest): { rangeNs: bigint; offsetNs: bigint } {
  return rangeAggregationOf(parseLeafText(request.expr));
}

function windowEnd(request: LeafRequest): bigint {
  return request.kind === 'log' ? request.endNs : request.endNs - rangeOf(request).offsetNs;
}
