/** Cuts requests about streams by time: step *cut* for labels, series and volumes. */
import type { Limits } from '@loki/config';
import { ceilTo, floorTo } from '@loki/engine';
import { nsPerMs } from '@loki/model';
import type { TimeRange } from '../limits/params.ts';
import { boundedInterval } from './cut-leaf.ts';
import type { Weights } from './weights.ts';

/** A stretch of time whose streams are requested separately. */
export interface StreamsPart extends TimeRange {
  /** Interval of cached answers. */
  readonly splitNs: bigint;
}

/**
 * Line bytes whose streams one querier lists. Indexes are about a thousandth of the line bytes, and each part
 * asks every partition's owner: so only weeks of a large tenant are cut, for several queriers in parallel.
 */
export const streamBytesPerPart = 32 * 2 ** 30;

/**
 * Cuts a request about streams at the metadata intervals. Time within `recent_metadata_query_window` has its
 * own interval, also for the cache. Each of the two stretches is cut further if it covers many bytes.
 *
 * @param weights absent: unknown, or not worth a request
 * @returns in order of time, without a gap
 */
export function planStreams(
  range: TimeRange,
  limits: Limits,
  { nowNs, weights }: { readonly nowNs: bigint; readonly weights?: Weights },
): StreamsPart[] {
  const splitNs = BigInt(limits.splitMetadataQueriesByIntervalMs) * nsPerMs;
  const recentSplitNs = BigInt(limits.splitRecentMetadataQueriesByIntervalMs) * nsPerMs;
  const windowNs = BigInt(limits.recentMetadataQueryWindowMs) * nsPerMs;
  const halves: StreamsPart[] = [];
  if (windowNs > 0n && recentSplitNs > 0n) {
    // On a border, so that cached answers have the same borders all day.
    const border = splitNs > 0n ? floorTo(nowNs - windowNs, splitNs) : nowNs - windowNs;
    const recentNs = border < range.startNs ? range.startNs : border > range.endNs ? range.endNs : border;
    if (recentNs > range.startNs) halves.push({ startNs: range.startNs, endNs: recentNs, splitNs });
    if (recentNs < range.endNs) {
      halves.push({ startNs: recentNs, endNs: range.endNs, splitNs: recentSplitNs });
    }
  }
  const whole = halves.length > 0 ? halves : [{ ...range, splitNs }];
  return weights ? whole.flatMap((part) => cut(part, weights)) : whole;
}

/** True if the part has several intervals, so that weights matter. */
export function isCuttable({ startNs, endNs, splitNs }: StreamsPart): boolean {
  return splitNs > 0n && ceilTo(startNs + 1n, splitNs) < endNs;
}

/** Joins adjacent intervals up to `streamBytesPerPart`. */
function cut(part: StreamsPart, weights: Weights): StreamsPart[] {
  const { startNs, endNs, splitNs } = part;
  if (!isCuttable(part) || weights.between(startNs, endNs) <= streamBytesPerPart) return [part];
  const interval = boundedInterval(splitNs, endNs - startNs);
  const parts: { startNs: bigint; endNs: bigint; splitNs: bigint }[] = [];
  let partBytes = 0;
  for (let fromNs = startNs; fromNs < endNs;) {
    const borderNs = ceilTo(fromNs + 1n, interval);
    const toNs = borderNs < endNs ? borderNs : endNs;
    const bytes = weights.between(fromNs, toNs);
    const last = parts.at(-1);
    if (last && partBytes + bytes <= streamBytesPerPart) {
      last.endNs = toNs;
      partBytes += bytes;
    } else {
      parts.push({ startNs: fromNs, endNs: toNs, splitNs });
      partBytes = bytes;
    }
    fromNs = toNs;
  }
  return parts;
}
