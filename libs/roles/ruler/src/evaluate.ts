import type { LabelPair, TenantId } from '@loki/model';

/** One sample of a rule's expression at one moment. */
export interface RuleSample {
  /** Sorted by name. */
  readonly labels: readonly LabelPair[];
  readonly value: number;
}

/**
 * Evaluates a rule's expression at one moment: the query path of this process, or one far away.
 *
 * @returns the vector's samples; a scalar is one sample without labels
 * @throws LokiError, also for an expression that yields neither (`notVectorText`)
 */
export type EvaluateRule = (
  tenant: TenantId,
  expr: string,
  timeNs: bigint,
  signal: AbortSignal,
) => Promise<readonly RuleSample[]>;

/** The health of a rule whose expression selects log lines. */
export const notVectorText = 'rule result is not a vector or scalar';

/** A rule that cannot be evaluated as it is, though its expression can. */
export class RuleError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RuleError';
  }
}

/** A rule that yields more than its group allows: what it yielded before is void too. */
export class RuleLimitError extends RuleError {}

/** Labels as a map's key. */
export function labelsKey(labels: readonly LabelPair[]): string {
  return JSON.stringify(labels);
}

/** Labels under other names: sorted, without empty values; a name given twice keeps its last value. */
export function withLabels(...parts: Iterable<LabelPair>[]): LabelPair[] {
  const map = new Map<string, string>();
  for (const part of parts) for (const [name, value] of part) map.set(name, value);
  return [...map].filter(([, value]) => value !== '').sort((a, b) => (a[0] < b[0] ? -1 : 1));
}
