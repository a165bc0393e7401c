/** Metrics of the ruler: the story of a rule. */
import type { Metrics } from './metrics.ts';

/** Labels that identify a group of a tenant. */
interface GroupLabels {
  readonly user: string;
  /** File and name: `/rules/tenant/namespace;group`. */
  readonly rule_group: string;
}

/** Labels that identify a target of remote write. */
export interface RemoteLabels {
  readonly tenant: string;
  readonly remote_name: string;
  readonly url: string;
}

/** Counts events of a ruler: groups, rules, alerts, recorded series. */
export interface RulerMetrics {
  groupRules(group: GroupLabels, rules: number): void;
  groupEvaluated(group: GroupLabels, evaluation: { readonly atMs: number; readonly seconds: number }): void;
  groupGone(group: GroupLabels): void;
  ruleEvaluated(group: GroupLabels): void;
  ruleFailed(group: GroupLabels): void;
  iterationsMissed(group: GroupLabels, missed: number): void;

  /** `initial`, `periodic`, `ring-change` or `api-change`. */
  synced(reason: string): void;
  tenants(count: number): void;
  tenantLoaded(user: string, isComplete: boolean): void;
  tenantGone(user: string): void;

  alertsSent(alertmanager: string, user: string, alerts: number): void;
  alertsFailed(alertmanager: string, user: string, alerts: number): void;
  alertsDropped(alertmanager: string, user: string, alerts: number): void;
  alertQueue(alertmanager: string, user: string, alerts: number): void;

  samplesAppended(tenant: string, samples: number, newestMs: number): void;
  seriesCreated(tenant: string, series: number): void;
  samplesSent(remote: RemoteLabels, samples: number, newestMs: number): void;
  samplesDropped(remote: RemoteLabels, reason: string, samples: number): void;
  samplesPending(remote: RemoteLabels, samples: number): void;
  queueBytes(tenant: string, bytes: number): void;
  queueReady(tenant: string, isReady: boolean): void;
}

/** The ruler's metrics under Loki's names. */
export function rulerMetrics(metrics: Metrics): RulerMetrics {
  return {
    ...groupMetrics(metrics),
    ...syncMetrics(metrics),
    ...notifierMetrics(metrics),
    ...remoteWriteMetrics(metrics),
  };
}

type GroupPart =
  'groupRules' | 'groupEvaluated' | 'groupGone' | 'ruleEvaluated' | 'ruleFailed' | 'iterationsMissed';

function groupMetrics(metrics: Metrics): Pick<RulerMetrics, GroupPart> {
  const names = ['rule_group', 'user'] as const;
  const rules = metrics.gauge('loki_prometheus_rule_group_rules', 'Rules of a group.', names);
  const evaluatedAt = metrics.gauge(
    'loki_prometheus_rule_group_last_evaluation_timestamp_seconds',
    'When a group was last evaluated.',
    names,
  );
  const duration = metrics.gauge(
    'loki_prometheus_rule_group_last_duration_seconds',
    'How long the last evaluation of a group took.',
    names,
  );
  const evaluations = metrics.counter('loki_prometheus_rule_evaluations_total', 'Evaluated rules.', names);
  const failures = metrics.counter(
    'loki_prometheus_rule_evaluation_failures_total',
    'Rules that could not be evaluated.',
    names,
  );
  const missed = metrics.counter(
    'loki_prometheus_rule_group_iterations_missed_total',
    'Evaluations of a group that were due while another still ran.',
    names,
  );
  return {
    groupRules(group, count) {
      rules.set({ ...group }, count);
      // Zero until something happens: an alert on a rate needs the series from the beginning.
      for (const counter of [evaluations, failures, missed]) counter.inc({ ...group }, 0);
    },
    groupEvaluated(group, { atMs, seconds }) {
      evaluatedAt.set({ ...group }, atMs / 1000);
      duration.set({ ...group }, seconds);
    },
    groupGone(group) {
      for (const metric of [rules, evaluatedAt, duration, evaluations, failures, missed]) {
        metric.remove({ ...group });
      }
    },
    ruleEvaluated: (group) => evaluations.inc({ ...group }),
    ruleFailed: (group) => failures.inc({ ...group }),
    iterationsMissed: (group, count) => missed.inc({ ...group }, count),
  };
}

function syncMetrics(
  metrics: Metrics,
): Pick<RulerMetrics, 'synced' | 'tenants' | 'tenantLoaded' | 'tenantGone'> {
  const synced = metrics.counter('loki_ruler_sync_rules_total', 'Readings of the rules, by reason.', [
    'reason',
  ]);
  const tenants = metrics.gauge('loki_ruler_managers_total', 'Tenants whose rules this process evaluates.');
  const loaded = metrics.gauge(
    'loki_ruler_config_last_reload_successful',
    '1 when all rules of the tenant could be read.',
    ['user'],
  );
  return {
    synced: (reason) => synced.inc({ reason }),
    tenants: (count) => tenants.set(count),
    tenantLoaded: (user, isComplete) => loaded.set({ user }, isComplete ? 1 : 0),
    tenantGone: (user) => loaded.remove({ user }),
  };
}

function notifierMetrics(
  metrics: Metrics,
): Pick<RulerMetrics, 'alertsSent' | 'alertsFailed' | 'alertsDropped' | 'alertQueue'> {
  const names = ['alertmanager', 'user'] as const;
  const sentTotal = metrics.counter('loki_prometheus_notifications_sent_total', 'Alerts sent.', names);
  const failed = metrics.counter(
    'loki_prometheus_notifications_errors_total',
    'Alerts in messages that Alertmanager did not take.',
    names,
  );
  const dropped = metrics.counter(
    'loki_prometheus_notifications_dropped_total',
    'Alerts given up: the queue was full, or no attempt succeeded.',
    names,
  );
  const queue = metrics.gauge(
    'loki_prometheus_notifications_queue_length',
    'Alerts that wait to be sent.',
    names,
  );
  return {
    alertsSent: (alertmanager, user, count) => sentTotal.inc({ alertmanager, user }, count),
    alertsFailed: (alertmanager, user, count) => failed.inc({ alertmanager, user }, count),
    alertsDropped: (alertmanager, user, count) => dropped.inc({ alertmanager, user }, count),
    alertQueue: (alertmanager, user, count) => queue.set({ alertmanager, user }, count),
  };
}

type RemotePart =
  | 'samplesAppended'
  | 'seriesCreated'
  | 'samplesSent'
  | 'samplesDropped'
  | 'samplesPending'
  | 'queueBytes'
  | 'queueReady';

function remoteWriteMetrics(metrics: Metrics): Pick<RulerMetrics, RemotePart> {
  const names = ['tenant', 'remote_name', 'url'] as const;
  const appended = metrics.counter('loki_ruler_wal_samples_appended_total', 'Samples recorded.', ['tenant']);
  const created = metrics.counter(
    'loki_ruler_wal_storage_created_series_total',
    'Series of which a first sample was recorded.',
    ['tenant'],
  );
  const newest = metrics.gauge(
    'loki_ruler_wal_prometheus_remote_storage_highest_timestamp_in_seconds',
    'Time of the newest recorded sample.',
    ['tenant'],
  );
  const sentTotal = metrics.counter(
    'loki_ruler_wal_prometheus_remote_storage_samples_total',
    'Samples that the metrics store took.',
    names,
  );
  const dropped = metrics.counter(
    'loki_ruler_wal_prometheus_remote_storage_samples_dropped_total',
    'Samples given up, by reason.',
    [...names, 'reason'],
  );
  const pending = metrics.gauge(
    'loki_ruler_wal_prometheus_remote_storage_samples_pending',
    'Samples waiting to be sent.',
    names,
  );
  const newestSent = metrics.gauge(
    'loki_ruler_wal_prometheus_remote_storage_queue_highest_sent_timestamp_seconds',
    'Time of the newest sample that was sent.',
    names,
  );
  const bytes = metrics.gauge('loki_ruler_wal_disk_size', 'Bytes of recorded samples on disk.', ['tenant']);
  const ready = metrics.gauge('loki_ruler_wal_appender_ready', '1 when samples can be recorded.', ['tenant']);
  return {
    samplesAppended(tenant, count, newestMs) {
      appended.inc({ tenant }, count);
      newest.set({ tenant }, newestMs / 1000);
    },
    seriesCreated: (tenant, count) => created.inc({ tenant }, count),
    samplesSent(remote, count, newestMs) {
      sentTotal.inc({ ...remote }, count);
      newestSent.set({ ...remote }, newestMs / 1000);
    },
    samplesDropped: (remote, reason, count) => dropped.inc({ ...remote, reason }, count),
    samplesPending: (remote, count) => pending.set({ ...remote }, count),
    queueBytes: (tenant, count) => bytes.set({ tenant }, count),
    queueReady: (tenant, isReady) => ready.set({ tenant }, isReady ? 1 : 0),
  };
}
