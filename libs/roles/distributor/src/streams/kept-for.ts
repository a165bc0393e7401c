/**
 * The retention period of a stream, for refusing entries that are already expired: step *validate* of a
 * written line.
 */
import type { Limits } from '@loki/config';
import type { LabelPair } from '@loki/model';
import { compileSelector } from './policies.ts';

/**
 * How long entries of a stream are kept: an entry that is older when it comes would be taken, and never be
 * seen.
 */
export interface KeptFor {
  /** Milliseconds; Infinity: for ever. */
  of(pairs: readonly LabelPair[]): number;
}

/**
 * The rule with the highest priority that matches a stream decides, of equal ones the shortest; without a
 * rule, the tenant's own period: as queries and the compactor have it.
 */
export function compileKeptFor({ retentionPeriodMs, retentionStreams }: Limits): KeptFor {
  const rules = retentionStreams
    .map(({ selector, priority, periodMs }) => ({
      matches: compileSelector(selector),
      priority,
      periodMs: orForEver(periodMs),
    }))
    .sort((a, b) => b.priority - a.priority || a.periodMs - b.periodMs);
  const own = orForEver(retentionPeriodMs);
  return { of: (pairs) => rules.find((rule) => rule.matches(pairs))?.periodMs ?? own };
}

function orForEver(ms: number): number {
  return ms <= 0 ? Number.POSITIVE_INFINITY : ms;
}
