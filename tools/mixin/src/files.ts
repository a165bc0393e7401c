/** The files that the definitions produce: the mixin's own, and the copies inside the charts. */
import fs from 'node:fs';
import path from 'node:path';
import { dashboards } from './dashboards.ts';
import { dashboardJson } from './grafana.ts';
import { withPlaceholders } from './thresholds.ts';

const root = path.join(import.meta.dirname, '../../..');
/** Directories that hold nothing else: an unknown file in one of them is stale. */
export const ownDirectories = [
  'deploy/mixin/dashboards',
  'deploy/helm/loki/files/dashboards',
  'deploy/helm/loki/files/rules',
  'deploy/helm/loki-grafana/files/dashboards',
];

/**
 * Texts by their paths from the root. Charts carry dashboards without white space: a ConfigMap has a limit.
 */
export function mixinFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const [name, dashboard] of Object.entries(dashboards)) {
    const json = dashboardJson(dashboard);
    const chart = name.startsWith('whizard-') ? 'loki-grafana' : 'loki';
    files.set(`deploy/mixin/dashboards/${name}.json`, `${JSON.stringify(json, undefined, 2)}\n`);
    files.set(`deploy/helm/${chart}/files/dashboards/${name}.json`, `${JSON.stringify(json)}\n`);
  }
  const rulesOf = (name: string) => fs.readFileSync(inTree(`deploy/mixin/${name}`), 'utf8');
  files.set('deploy/helm/loki/files/rules/alerts.yaml', withPlaceholders(rulesOf('alerts.yaml')));
  files.set('deploy/helm/loki/files/rules/rules.yaml', rulesOf('rules.yaml'));
  return files;
}

export function inTree(file: string): string {
  return path.join(root, file);
}
