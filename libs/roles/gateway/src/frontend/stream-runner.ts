/** Runs the parts of a request about streams and joins their answers. */
import type { Limits } from '@loki/config';
import { mergeStreamVolumes } from '@loki/engine';
import type { QueryThread } from '@loki/engine';
import { hourNs, LokiError, Semaphore } from '@loki/model';
import type { PartitionHead, QuerierService, StreamsRequest, StreamVolume } from '@loki/ports';
import { isCuttable, planStreams } from './stream-parts.ts';
import type { StreamsPart } from './stream-parts.ts';
import type { Weights, WeightSource } from './weights.ts';

interface StreamRunnerDeps {
  readonly querier: Pick<QuerierService, 'streams'>;
  readonly weights: WeightSource;
  /** Bounds of the tenant's heads now; none: parts ask heads by themselves. */
  readonly heads: (signal: AbortSignal) => Promise<readonly PartitionHead[]>;
  readonly limits: Limits;
  readonly nowNs: bigint;
  /** The thread that joins parts. */
  readonly thread: QueryThread;
}

/**
 * Streams of one tenant in the range: cut by time where that helps, with the parts in parallel. With a cache,
 * each part has its interval of cached answers. Reads the bounds of heads once for all parts, except for the
 * newest part, in which heads have rows; a request of older times only uses the bounds for all parts.
 */
export async function streamsInParts(
  request: StreamsRequest,
  { querier, weights, heads, limits, nowNs, thread }: StreamRunnerDeps,
  signal: AbortSignal,
): Promise<readonly StreamVolume[]> {
  const isWorthWeighing = planStreams(request, limits, { nowNs }).some(isCuttable);
  const weighed = isWorthWeighing ? await weigh(request, weights, signal) : undefined;
  const parts = planStreams(request, limits, { nowNs, weights: weighed });
  const semaphore = new Semaphore(Math.max(1, limits.maxQueryParallelism));
  const stop = new AbortController();
  const anySignal = AbortSignal.any([signal, stop.signal]);
  const isOld = isBeforeHeads(request.endNs, nowNs);
  const bounds = parts.length > 1 || isOld ? heads(anySignal) : Promise.resolve([]);
  bounds.catch(() => undefined); // the parts that wait for it fail
  const ask = async ({ startNs, endNs, splitNs }: StreamsPart, i: number) => {
    const headBounds = isOld || i < parts.length - 1 ? await bounds : [];
    const cache = request.cache && { ...request.cache, splitNs };
    const part = {
      ...request,
      startNs,
      endNs,
      ...(cache ? { cache } : {}),
      ...(headBounds.length > 0 ? { heads: headBounds } : {}),
    };
    return semaphore.run(() => querier.streams(part, anySignal), anySignal);
  };
  try {
    const lists = await Promise.all(parts.map(ask));
    if (lists.length === 1) return lists[0];
    return await thread.complete(mergeStreamVolumes(lists), () => signal.throwIfAborted());
  } catch (error) {
    stop.abort(error);
    throw error;
  }
}

/** Heads are flushed after two hours (`ingester.max_chunk_age`), and then have late rows alone. */
const headAgeNs = 3n * hourNs;

/**
 * Whether heads hardly have rows before this time. Then one call to each ingester reads the bounds first, and
 * no rows.
 */
export function isBeforeHeads(endNs: bigint, nowNs: bigint): boolean {
  return endNs < nowNs - headAgeNs;
}

/** Undefined if the weights cannot be determined: the request then runs without a cut. */
async function weigh(
  request: StreamsRequest,
  weights: WeightSource,
  signal: AbortSignal,
): Promise<Weights | undefined> {
  try {
    return await weights.stored(request, signal);
  } catch (error) {
    if (signal.aborted || !(error instanceof LokiError)) throw error;
    return undefined;
  }
}
