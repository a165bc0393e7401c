/**
 * The retention period of a stream, for refusing entries that are already expired: step *validate* of a
 * written line.
 */
import type { Limits } from '@loki/config';
import type { LabelPair } from '@loki/model';
import { compileSelector } from './policies.ts';

/** The retention period of a stream: an entry that is older when it arrives would never be returned. */
export interface StreamRetention {
  /** Milliseconds; Infinity: no limit. */
  of(pairs: readonly LabelPair[]): number;
}

/**
 * The matching rule with the highest priority decides, of equal ones the shortest; without a rule, the
 * tenant's own period: the same choice as in queries and the compactor.
 */
export function compileRetention({ retentionPeriodMs, retentionStreams }: Limits): StreamRetention {
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
