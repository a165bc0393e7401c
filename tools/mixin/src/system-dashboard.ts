/** The form of the dashboards of the system: their variables, and rows that several share. */
import type { Dashboard, Row, Variable } from './grafana.ts';
import { durations, rateBy, resources, select } from './promql.ts';
import type { Component } from './promql.ts';

const variables: readonly Variable[] = [
  { name: 'datasource', label: 'Data source', kind: 'datasource', query: 'prometheus' },
  {
    name: 'cluster',
    label: 'Cluster',
    kind: 'query',
    query: 'label_values(loki_build_info, cluster)',
    allValue: '.*',
  },
  {
    name: 'namespace',
    label: 'Namespace',
    kind: 'query',
    query: 'label_values(loki_build_info{cluster=~"$cluster"}, namespace)',
    allValue: '.+',
  },
];

/** A dashboard of the system, with its usual variables. */
export function system(uid: string, title: string, description: string, rows: readonly Row[]): Dashboard {
  return {
    uid: `loki-ts-${uid}`,
    title: `Loki / ${title}`,
    description,
    tags: ['loki'],
    refresh: '30s',
    timeFrom: 'now-1h',
    variables,
    datasource: { type: 'prometheus', variable: 'datasource' },
    rows,
  };
}

/** Calls to the object store by one component. */
export const store = (component: Component, operations: string): Row => ({
  title: 'Object store',
  panels: [
    rateBy(
      'Calls',
      'ops',
      'operation',
      select('loki_objstore_bucket_operations_total', component, `operation=~"${operations}"`),
    ),
    rateBy(
      'Failed calls',
      'ops',
      'operation',
      select('loki_objstore_bucket_operation_failures_total', component, `operation=~"${operations}"`),
    ),
    durations('Time of calls', (suffix) =>
      select(
        `loki_objstore_bucket_operation_duration_seconds_${suffix}`,
        component,
        `operation=~"${operations}"`,
      ),
    ),
  ],
});

export function resourceRows(components: readonly Component[]): Row[] {
  return components.map((component) => ({
    title: component[0].toUpperCase() + component.slice(1),
    panels: resources(component),
  }));
}
