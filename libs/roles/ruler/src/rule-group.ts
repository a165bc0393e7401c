/** Rules and rule groups after checking, and their identity among rulers. */
import { fnv1a32 } from '@loki/model';
import type { LabelPair, TenantId } from '@loki/model';

/** A checked rule. */
export interface Rule {
  readonly kind: 'alert' | 'record';
  /** The alert's name, or the name of the recorded metric. */
  readonly name: string;
  readonly expr: string;
  /** Alerts: how long the condition must hold before the alert fires. */
  readonly forMs: number;
  /** Alerts: how long the alert keeps firing after its condition ended. */
  readonly keepFiringForMs: number;
  /** Sorted by name; values of alerts are templates. */
  readonly labels: readonly LabelPair[];
  /** Alerts: sorted by name, values are templates. */
  readonly annotations: readonly LabelPair[];
}

export interface RuleGroup {
  readonly name: string;
  /** 0: the ruler's evaluation_interval. */
  readonly intervalMs: number;
  /** Bound on alerts or series of one rule; 0: no limit. */
  readonly limit: number;
  readonly rules: readonly Rule[];
}

/** A group with its tenant and namespace. */
export interface PlacedGroup {
  readonly tenant: TenantId;
  readonly namespace: string;
  readonly group: RuleGroup;
}

/** Unique among all groups of all tenants: neither a tenant id nor a namespace contains `/`. */
export function groupKey(tenant: string, namespace: string, name: string): string {
  return `${tenant}/${namespace}/${name}`;
}

/** The group's offset within its interval, as a token. */
export function groupToken(key: string): number {
  return fnv1a32(key);
}
