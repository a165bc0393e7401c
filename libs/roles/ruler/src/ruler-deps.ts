/** Options of a ruler, and the services that it uses. */
import type { TenantId } from '@loki/model';
import type { Clock, Logger, ObjectStore, Timers, Workers } from '@loki/ports';
import type { RulerMetrics } from '@loki/telemetry';
import type { Alert } from './alert-rule.ts';
import type { EvaluateRule } from './evaluate.ts';
import type { GroupRunnerOptions } from './group-runner.ts';
import type { RuleOwner } from './owner.ts';
import type { SeriesSample } from './recording-rule.ts';
import type { RuleStore } from './rule-store.ts';

export interface RulerOptions extends GroupRunnerOptions {
  readonly pollIntervalMs: number;
  /** Empty: all tenants. */
  readonly enabledTenants: readonly string[];
  readonly disabledTenants: readonly string[];
}

/** Receives alerts; absent without an Alertmanager. */
export interface AlertSink {
  send(tenant: TenantId, alerts: readonly Alert[], expr: string): void;
  forget(tenant: TenantId): void;
  stop(): Promise<void>;
}

/** Receives recorded series; absent without remote write. */
export interface SeriesSink {
  start(): Promise<void>;
  write(tenant: TenantId, samples: readonly SeriesSample[]): Promise<void>;
  stop(): Promise<void>;
}

export interface RulerDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: RulerMetrics;
  readonly store: RuleStore;
  /** Object store for the state of alerts. */
  readonly stateObjects: ObjectStore;
  readonly evaluate: EvaluateRule;
  /** Threads that expand the templates of alerts. */
  readonly workers: Workers;
  readonly owner: RuleOwner;
  readonly alerts?: AlertSink;
  readonly series?: SeriesSink;
}
