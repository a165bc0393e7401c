import { expiredRows } from '@loki/catalog';
import type { RetentionLimits } from '@loki/catalog';
import { nsPerMs } from '@loki/model';
import type { LeafDelete } from '@loki/ports';

/** The rows that a tenant's retention takes at a moment. */
export interface Expiry {
  /** By stream selector. */
  readonly removals: readonly LeafDelete[];
  /** Rows before this are past their time, whatever their stream; undefined: some are kept for ever. */
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

/**
 * The removals that take rows of [minNs, maxNs] and will take no more of them later: worth rewriting a
 * segment for.
 */
export function settledRemovals(
  removals: readonly LeafDelete[],
  { minNs, maxNs }: { minNs: bigint; maxNs: bigint },
): LeafDelete[] {
  return removals.filter(({ startNs, endNs }) => startNs <= minNs && endNs > maxNs);
}

/** Tells one removal from another whose effect on a given segment may differ. */
export function removalName({ expr, except }: LeafDelete): string {
  return JSON.stringify([expr, except ?? []]);
}
