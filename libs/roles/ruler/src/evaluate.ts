/** The evaluation of a rule's expression, as a function that wiring provides, and its errors. */
import type { LabelPair, TenantId } from '@loki/model';

/** One sample of a rule's expression at one time. */
export interface RuleSample {
  /** Sorted by name. */
  readonly labels: readonly LabelPair[];
  readonly value: number;
}

/**
 * Evaluates a rule's expression at one time, in this process or by remote query frontends.
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

/** Error text of a rule whose expression selects log lines. */
export const notVectorText = 'rule result is not a vector or scalar';

/** A rule whose result cannot be used, though its expression is valid. */
export class RuleError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RuleError';
  }
}

/** A rule with more results than its group allows: all its results are void. */
export class RuleLimitError extends RuleError {}

/** Labels as a map key. */
export function labelsKey(labels: readonly LabelPair[]): string {
  return JSON.stringify(labels);
}

/** Joins lists of labels: sorted, without empty values; for a repeated name the last value wins. */
export function withLabels(...parts: Iterable<LabelPair>[]): LabelPair[] {
  const map = new Map<string, string>();
  for (const part of parts) for (const [name, value] of part) map.set(name, value);
  return [...map].filter(([, value]) => value !== '').sort((a, b) => (a[0] < b[0] ? -1 : 1));
}
