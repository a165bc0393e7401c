/** Rows that retention and deletes remove, as log queries: step *delete, expire* of a stored day. */
import { expiredRows } from '@loki/catalog';
import type { RetentionLimits } from '@loki/catalog';
import { nsPerMs } from '@loki/model';
import type { LeafDelete } from '@loki/ports';

/** The rows that a tenant's retention removes at one time. */
export interface Expiry {
  /** Removals by stream selector. */
  readonly removals: readonly LeafDelete[];
  /** Rows of all streams before this time are expired; undefined: some streams have no retention. */
  readonly wholeNs: bigint | undefined;
}

export function expiryOf(limits: RetentionLimits, nowMs: number): Expiry {
  const periods = [limits.retentionPeriodMs, ...limits.retentionStreams.map(({ periodMs }) => periodMs)];
  const isBounded = periods.every((ms) => ms > 0);
  return {
    removals: expiredRows(limits, nowMs),
    wholeNs: isBounded ? BigInt(nowMs - Math.max(...periods)) * nsPerMs : undefined,
  };
}

/** The removals whose effect on [minNs, maxNs] is final, so that rewriting a segment pays. */
export function settledRemovals(
  removals: readonly LeafDelete[],
  { minNs, maxNs }: { minNs: bigint; maxNs: bigint },
): LeafDelete[] {
  return removals.filter(({ startNs, endNs }) => startNs <= minNs && endNs > maxNs);
}

/** A key that distinguishes removals with different effects on a segment. */
export function removalName({ expr, except }: LeafDelete): string {
  return JSON.stringify([expr, except ?? []]);
}
