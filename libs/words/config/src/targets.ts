/** The names of `-target` and the components that each one runs. */
import { ConfigError } from './config-error.ts';
import type { Component } from './config.ts';

const every: readonly Component[] = [
  'gateway',
  'distributor',
  'ingester',
  'querier',
  'query-frontend',
  'query-scheduler',
  'compactor',
  'ruler',
  'pattern-ingester',
];

/**
 * Names of `-target` with their components. The gateway is the query frontend and the HTTP entry of clients.
 */
const targets: ReadonlyMap<string, readonly Component[]> = new Map<string, readonly Component[]>([
  ['all', every],
  ['gateway', ['gateway', 'query-frontend', 'query-scheduler']],
  ['read', ['query-frontend', 'querier']],
  ['write', ['distributor', 'ingester']],
  ['backend', ['query-scheduler', 'index-gateway', 'compactor', 'ruler']],
  ['distributor', ['distributor']],
  ['ingester', ['ingester']],
  ['querier', ['querier']],
  ['query-frontend', ['query-frontend', 'query-scheduler']],
  ['query-scheduler', ['query-scheduler']],
  ['compactor', ['compactor']],
  ['ruler', ['ruler']],
  ['index-gateway', ['index-gateway']],
  ['pattern-ingester', ['pattern-ingester']],
  ['overrides-exporter', ['overrides-exporter']],
  ['grafana-provision', ['grafana-provision']],
  // Other components do the work of these targets here. A deployment that still starts them gets an idle
  // process, not a failure.
  ['bloom-planner', []],
  ['bloom-builder', []],
  ['bloom-gateway', []],
  ['ingest-limits', []],
  ['ingest-limits-frontend', []],
  ['ui', []],
]);

/** @throws ConfigError with Loki's text for an unknown name */
export function componentsOf(names: readonly string[]): ReadonlySet<Component> {
  const components = new Set<Component>();
  for (const name of names) {
    const targetComponents = targets.get(name);
    if (!targetComponents) throw new ConfigError(`error running loki: unrecognised module name: ${name}`);
    for (const component of targetComponents) components.add(component);
  }
  return components;
}

/** The text of `-list-targets`: each name, then its components. */
export function targetsText(): string {
  let text = '';
  for (const [name, components] of targets) {
    text += `${name}\n`;
    if (components.length !== 1 || components[0] !== name) {
      for (const component of components) text += `  ${component}\n`;
    }
  }
  return text;
}
