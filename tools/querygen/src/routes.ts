/** Ways through frontend and queriers that must give the same answer. */
import type { Limits } from '@loki/config';
import type { Prng } from '@loki/virtual';

/** Settings by which the routes of one data set cut. */
export interface Cutting {
  /** Borders in time stand at its multiples. */
  readonly splitMs: number;
  /** Bytes that one part should read: less than nearly every query reads. */
  readonly partBytes: number;
  /** Parts by stream at most. */
  readonly shards: number;
  readonly strategy: Limits['tsdbShardingStrategy'];
}

export function drawCutting(random: Prng, spanNs: bigint): Cutting {
  // Many parts cost much time and find little more than a few.
  const [intervals, shards] = random.pick([[3, 2], [3, 3], [5, 2], [6, 2], [9, 2], [2, 4], [2, 8], [20, 2]] as const); // prettier-ignore
  return {
    splitMs: Math.ceil(Number(spanNs) / 1e6 / intervals / 1000) * 1000,
    partBytes: random.pick([1, 60, 60]),
    shards,
    strategy: random.pick(['bounded', 'power_of_two']),
  };
}

/** A way for a question through the frontend and the queriers. */
export interface Route {
  readonly name: string;
  readonly isSplit: boolean;
  readonly isSharded: boolean;
  readonly isCached: boolean;
  readonly limits: Partial<Limits>;
}

/**
 * Longer than any data: no border of it lies within them, and steps are aligned as wherever time is split.
 */
const unsplitMs = 123_456_789_000;
const unshardedBytes = 1e12;

/** {split, not} x {sharded, not} x {cached, not}; the first is none of them. */
export function routesFor(cutting: Cutting): Route[] {
  return [false, true].flatMap((isCached) =>
    [false, true].flatMap((isSharded) =>
      [false, true].map((isSplit): Route => ({
        name: nameOf(isSplit, isSharded, isCached),
        isSplit,
        isSharded,
        isCached,
        limits: limitsOf(cutting, { isSplit, isSharded, isCached }),
      })),
    ),
  );
}

function limitsOf(
  { splitMs, partBytes, shards, strategy }: Cutting,
  { isSplit, isSharded, isCached }: Pick<Route, 'isSplit' | 'isSharded' | 'isCached'>,
): Partial<Limits> {
  // Cached results have the same borders: without them, the whole time of a query is one cached result.
  const hasBorders = isSplit || (isCached && !isSharded);
  return {
    tsdbMaxBytesPerShard: isSplit || isSharded ? partBytes : unshardedBytes,
    tsdbMaxQueryParallelism: isSharded ? shards : 1,
    tsdbShardingStrategy: strategy,
    splitQueriesByIntervalMs: hasBorders ? splitMs : unsplitMs,
    splitInstantMetricQueriesByIntervalMs: hasBorders ? splitMs : 0,
    // Aggregations that sharding keeps exact, in addition to the usual ones.
    shardAggregations: isSharded
      ? ['approx_topk', 'quantile_over_time', 'first_over_time', 'last_over_time']
      : ['approx_topk'],
  };
}

function nameOf(isSplit: boolean, isSharded: boolean, isCached: boolean): string {
  const parts = [...(isSplit ? ['split'] : []), ...(isSharded ? ['sharded'] : []), ...(isCached ? ['cached'] : [])]; // prettier-ignore
  return parts.length === 0 ? 'whole' : parts.join(' + ');
}
