/** Which intervals of a query are cached: step *recall* of a query. */
import type { Limits } from '@loki/config';
import { nsPerMs } from '@loki/model';
import type { CachePolicy, ResultsKind } from '@loki/ports';

/** Cache policy for a kind of answers under a tenant's limits. */
export function cachePolicyOf(kind: ResultsKind, limits: Limits, nowNs: bigint): CachePolicy {
  const { splitMs, freshMs } = cacheLimits[kind](limits);
  return { kind, splitNs: BigInt(splitMs) * nsPerMs, newestNs: nowNs - BigInt(freshMs) * nsPerMs };
}

/** Interval of cached answers, and the age from which answers are cached, by kind. */
const cacheLimits: Readonly<Record<ResultsKind, (limits: Limits) => { splitMs: number; freshMs: number }>> = {
  results: (limits) => ({ splitMs: limits.splitQueriesByIntervalMs, freshMs: limits.maxCacheFreshnessMs }),
  instant: (limits) => ({
    splitMs: limits.splitInstantMetricQueriesByIntervalMs,
    freshMs: limits.maxCacheFreshnessMs,
  }),
  labels: metadataLimits,
  series: metadataLimits,
  stats: (limits) => ({ splitMs: limits.splitQueriesByIntervalMs, freshMs: limits.maxStatsCacheFreshnessMs }),
  volume: (limits) => ({
    splitMs: limits.splitQueriesByIntervalMs,
    freshMs: limits.maxStatsCacheFreshnessMs,
  }),
};

function metadataLimits(limits: Limits): { splitMs: number; freshMs: number } {
  return {
    splitMs: limits.splitMetadataQueriesByIntervalMs,
    freshMs: limits.maxMetadataCacheFreshnessMs,
  };
}
