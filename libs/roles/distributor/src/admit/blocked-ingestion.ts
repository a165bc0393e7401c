/** Texts of refusals while a tenant or a policy must not write: step *limit* of a written line. */
import type { Limits } from '@loki/config';
import type { TenantId } from '@loki/model';
import { rfc3339Seconds } from '../json/time-text.ts';
import { policyBlockedUntilMs } from '../streams/policies.ts';

/** `block_ingestion_until`. Undefined: the tenant may write. */
export function blockedTenantText(tenant: TenantId, limits: Limits, nowMs: number): string | undefined {
  const { blockIngestionUntilMs: untilMs } = limits;
  return untilMs <= nowMs ? undefined : textOf(tenant, limits, untilMs);
}

/**
 * `block_ingestion_policy_until`. Undefined: entries of the policy are accepted; '': they are refused
 * silently.
 */
export function blockedPolicyText(
  tenant: TenantId,
  limits: Limits,
  policy: string,
  nowMs: number,
): string | undefined {
  const untilMs = policyBlockedUntilMs(limits, policy);
  if (untilMs <= nowMs) return undefined;
  if (limits.blockIngestionStatusCode === 200) return '';
  const suffix = policy === '' ? '' : ` (policy: '${policy}')`;
  return `${textOf(tenant, limits, untilMs)}${suffix}`;
}

function textOf(tenant: TenantId, limits: Limits, untilMs: number): string {
  const untilText = rfc3339Seconds(Math.floor(untilMs / 1000));
  const status = limits.blockIngestionStatusCode;
  return `ingestion blocked for user '${tenant}' until '${untilText}' with status code '${status}'`;
}
