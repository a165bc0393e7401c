import { fnv1a32 } from '@loki/model';
import type { LabelPair, TenantId } from '@loki/model';

/** A rule as its owner wrote it, checked. */
export interface Rule {
  readonly kind: 'alert' | 'record';
  /** The alert's name, or the metric that is recorded. */
  readonly name: string;
  readonly expr: string;
  /** Alerts: how long the condition must hold before the alert fires. */
  readonly forMs: number;
  /** Alerts: how long the alert goes on firing after its condition ended. */
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
  /** Alerts or series that one rule may yield; 0: any number. */
  readonly limit: number;
  readonly rules: readonly Rule[];
}

/** A group with where it stands. */
export interface PlacedGroup {
  readonly tenant: TenantId;
  readonly namespace: string;
  readonly group: RuleGroup;
}

/** Unique among all groups of all tenants: a tenant id has no `/`, nor has a namespace. */
export function groupKey(tenant: string, namespace: string, name: string): string {
  return `${tenant}/${namespace}/${name}`;
}

/** Where the group stands in its interval. */
export function groupToken(key: string): number {
  return fnv1a32(key);
}
