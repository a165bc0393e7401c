/** Dashboards over lines: the system's own, and those of KubeSphere's tenants. */
import type { Dashboard, Panel, Variable } from './grafana.ts';

const source: Variable = { name: 'datasource', label: 'Data source', kind: 'datasource', query: 'loki' };

const values = (name: string, allValue: string): Variable => ({
  name,
  label: name,
  kind: 'query',
  query: `label_values(${name})`,
  allValue,
});

const lines = (expr: string): Panel => ({
  type: 'logs',
  title: 'Lines',
  unit: 'short',
  width: 24,
  height: 22,
  targets: [{ expr, legend: '' }],
});

const counts = (title: string, expr: string, by: string): Panel => ({
  type: 'timeseries',
  title,
  unit: 'short',
  isStacked: true,
  width: 24,
  height: 7,
  targets: [{ expr, legend: `{{${by}}}` }],
});

const ownLines = '{namespace=~"$namespace", container=~"$container"} |~ "(?i)$search"';

export const logs: Dashboard = {
  uid: 'loki-ts-logs',
  title: 'Loki / Logs',
  description: 'The log lines of the system itself.',
  tags: ['loki'],
  refresh: '30s',
  timeFrom: 'now-1h',
  variables: [
    source,
    values('namespace', '.+'),
    values('container', '.+'),
    { name: 'search', label: 'Search', kind: 'textbox', query: '' },
  ],
  datasource: { type: 'loki', variable: 'datasource' },
  rows: [
    {
      title: 'Lines',
      panels: [
        counts(
          'Lines, by level',
          `sum by (level) (count_over_time(${ownLines} | logfmt level [$__auto]))`,
          'level',
        ),
        lines(ownLines),
      ],
    },
  ],
};

/** Labels that a node-level event lacks have `.*`: their stream has no such label. */
interface Kind {
  readonly uid: string;
  readonly title: string;
  readonly tenant: string;
  /** Name of the tenant's data source, after `Whizard`; its identity is the tenant. */
  readonly dataSource: string;
  readonly description: string;
  readonly labels: readonly (readonly [name: string, allValue: string])[];
  /** Label whose values the histogram shows. */
  readonly by: string;
}

function whizard({ uid, title, tenant, dataSource, description, labels, by }: Kind): Dashboard {
  const selector = `{${labels.map(([name]) => `${name}=~"$${name}"`).join(', ')}}`;
  const query = `${selector} |~ "$search"`;
  return {
    uid: `loki-ts-${uid}`,
    title: `Whizard ${title} for KubeSphere`,
    description: `${description} Its data source is that of tenant ${tenant}.`,
    tags: ['loki', 'kubesphere'],
    refresh: '5s',
    timeFrom: 'now-1h',
    variables: [
      { ...source, first: { text: `Whizard ${dataSource}`, value: tenant } },
      ...labels.map(([name, allValue]) => values(name, allValue)),
      { name: 'search', label: 'Search', kind: 'textbox', query: '.*' },
    ],
    datasource: { type: 'loki', variable: 'datasource' },
    rows: [
      {
        title,
        panels: [
          counts(`Lines, by ${by}`, `sum by (${by}) (count_over_time(${query} [$__auto]))`, by),
          lines(query),
        ],
      },
    ],
  };
}

export const whizardLogging = whizard({
  uid: 'whizard-logging',
  title: 'Logging',
  tenant: 'whizard-logs-ks',
  dataSource: 'Logs',
  description: 'Lines of containers.',
  labels: [
    ['cluster', '.+'],
    ['workspace', '.*'],
    ['node', '.*'],
    ['namespace', '.*'],
    ['pod', '.*'],
    ['container', '.*'],
  ],
  by: 'namespace',
});

export const whizardEvents = whizard({
  uid: 'whizard-events',
  title: 'Events',
  tenant: 'whizard-events-ks',
  dataSource: 'Events',
  description: 'Events of Kubernetes.',
  labels: [
    ['cluster', '.+'],
    ['type', '.+'],
    ['kind', '.+'],
    ['namespace', '.*'],
    ['reported_by', '.*'],
    ['reason', '.+'],
  ],
  by: 'reason',
});

export const whizardAuditing = whizard({
  uid: 'whizard-auditing',
  title: 'Auditing',
  tenant: 'whizard-auditing-ks',
  dataSource: 'Auditing',
  description: 'Calls to the API servers.',
  labels: [
    ['cluster', '.+'],
    ['workspace', '.*'],
    ['namespace', '.*'],
    ['verb', '.+'],
    ['resource', '.+'],
    ['user', '.+'],
  ],
  by: 'verb',
});

export const whizardNotification = whizard({
  uid: 'whizard-notification',
  title: 'Notification',
  tenant: 'whizard-notification-ks',
  dataSource: 'Notification',
  description: 'Alerts that were sent.',
  labels: [
    ['cluster', '.+'],
    ['namespace', '.*'],
    ['alertname', '.+'],
    ['alerttype', '.+'],
    ['severity', '.+'],
  ],
  by: 'severity',
});
