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
 * Names `-target` takes, with what each of them runs. The gateway is the query frontend with the front door.
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
  // The work of these happens elsewhere here; a workload that still starts them idles instead of failing.
  ['bloom-planner', []],
  ['bloom-builder', []],
  ['bloom-gateway', []],
  ['ingest-limits', []],
  ['ingest-limits-frontend', []],
  ['ui', []],
]);

/** @throws ConfigError with Loki's text for a name nobody knows */
export function componentsOf(names: readonly string[]): ReadonlySet<Component> {
  const components = new Set<Component>();
  for (const name of names) {
    const found = targets.get(name);
    if (!found) throw new ConfigError(`error running loki: unrecognised module name: ${name}`);
    for (const component of found) components.add(component);
  }
  return components;
}

/** The text of `-list-targets`: each name, then what it runs. */
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
