/** Expired rows by a tenant's retention: step *delete, expire* of a stored day. */
import { nsPerMs } from '@loki/model';
import type { LeafDelete } from '@loki/ports';

/** A tenant's retention periods; 0: no limit. */
export interface RetentionLimits {
  readonly retentionPeriodMs: number;
  readonly retentionStreams: readonly {
    readonly selector: string;
    readonly priority: number;
    readonly periodMs: number;
  }[];
}

/** Smaller than every timestamp. */
const beginningNs = -(1n << 63n);

/**
 * Rows past their time at `nowMs`, as deletes. A stream has the period of the matching rule with the highest
 * priority, of equal ones the shortest; without a rule, the tenant's own.
 */
export function expiredRows(limits: RetentionLimits, nowMs: number): LeafDelete[] {
  const rules = [...limits.retentionStreams].sort(
    (a, b) => b.priority - a.priority || period(a.periodMs) - period(b.periodMs),
  );
  const all = [...rules, { selector: '{}', periodMs: limits.retentionPeriodMs }];
  return all.flatMap(({ selector, periodMs }, i) => {
    if (periodMs <= 0) return [];
    // A preceding rule with a shorter or equal period needs no exception: its streams lose these rows anyway.
    const except = rules.slice(0, i).filter((rule) => period(rule.periodMs) > periodMs);
    const endNs = BigInt(nowMs - periodMs) * nsPerMs;
    const exceptions = except.length === 0 ? {} : { except: except.map((rule) => rule.selector) };
    return [{ expr: selector, startNs: beginningNs, endNs, ...exceptions }];
  });
}

function period(ms: number): number {
  return ms <= 0 ? Infinity : ms;
}
