/** Ingestion policies (`policy_stream_mapping`): which policy a stream belongs to. */
import type { Limits } from '@loki/config';
import { compileMatchers, parseMatchers } from '@loki/logql';
import { compareText } from '@loki/model';
import type { LabelPair } from '@loki/model';

/** Streams of a policy. */
export interface Policy {
  readonly name: string;
  matches(pairs: readonly LabelPair[]): boolean;
}

/** Policies in the order in which they are tried: by priority, equal ones by name. */
export function compilePolicies({ policyStreamMapping }: Limits): readonly Policy[] {
  return [...policyStreamMapping]
    .sort((a, b) => b.priority - a.priority || compareText(a.policy, b.policy))
    .map(({ policy, selector }) => ({ name: policy, matches: compileSelector(selector) }));
}

/** The policy of a stream; '' when it has none. */
export function policyOf(policies: readonly Policy[], pairs: readonly LabelPair[]): string {
  return policies.find((policy) => policy.matches(pairs))?.name ?? '';
}

/** Labels that streams of a policy must have. */
export function enforcedLabels(limits: Limits, policy: string): readonly string[] {
  const { policyEnforcedLabels } = limits;
  if (policyEnforcedLabels.size === 0) return limits.enforcedLabels;
  const ofPolicy = policy === '' ? [] : (policyEnforcedLabels.get(policy) ?? []);
  return [...new Set([...limits.enforcedLabels, ...(policyEnforcedLabels.get('*') ?? []), ...ofPolicy])];
}

/** The time until which ingestion of a policy is blocked, in Unix ms; 0: not blocked. */
export function policyBlockedUntilMs(limits: Limits, policy: string): number {
  const { blockIngestionPolicyUntilMs: until } = limits;
  if (until.size === 0) return 0;
  return until.get(policy) ?? until.get('*') ?? 0;
}

export function compileSelector(selector: string): Policy['matches'] {
  const matches = compileMatchers(parseMatchers(selector));
  return (pairs) => matches({ get: (name) => pairs.find((pair) => pair[0] === name)?.[1] });
}
