import type { Limits } from '@loki/config';
import { ceilTo, floorTo } from '@loki/engine';
import { nsPerMs } from '@loki/model';
import type { TimeRange } from '../limits/params.ts';
import { boundedInterval } from './cut-leaf.ts';
import type { Weights } from './weights.ts';

/** A stretch of time whose streams are asked for by itself. */
export interface StreamsPart extends TimeRange {
  /** By which answers about it are kept. */
  readonly splitNs: bigint;
}

/**
 * Line bytes whose streams one querier lists. Indexes are about a thousandth of what they describe, and
 * each part asks every partition's owner: so what is cut is weeks of a large tenant, which several queriers
 * then read side by side.
 */
export const streamBytesPerPart = 32 * 2 ** 30;

/**
 * Cuts a question about streams at the metadata intervals: what lies within `recent_metadata_query_window` at
 * those for recent time, which then are kept by these, too; and each of the two stretches into several where
 * it covers much.
 *
 * @param weights absent: not known, or not worth asking
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
    // On a border, so that what is kept is cut at the same place all day.
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

/** Whether weights could make a difference. */
export function isCuttable({ startNs, endNs, splitNs }: StreamsPart): boolean {
  return splitNs > 0n && ceilTo(startNs + 1n, splitNs) < endNs;
}

/** Neighbouring intervals together as long as they are not too much. */
function cut(part: StreamsPart, weights: Weights): StreamsPart[] {
  const { startNs, endNs, splitNs } = part;
  if (!isCuttable(part) || weights.between(startNs, endNs) <= streamBytesPerPart) return [part];
  const interval = boundedInterval(splitNs, endNs - startNs);
  const parts: { startNs: bigint; endNs: bigint; splitNs: bigint }[] = [];
  let held = 0;
  for (let fromNs = startNs; fromNs < endNs;) {
    const borderNs = ceilTo(fromNs + 1n, interval);
    const toNs = borderNs < endNs ? borderNs : endNs;
    const bytes = weights.between(fromNs, toNs);
    const last = parts.at(-1);
    if (last && held + bytes <= streamBytesPerPart) {
      last.endNs = toNs;
      held += bytes;
    } else {
      parts.push({ startNs: fromNs, endNs: toNs, splitNs });
      held = bytes;
    }
    fromNs = toNs;
  }
  return parts;
}
