/** Reads the configuration of target grafana-provision. */
import type { GrafanaProvisionConfig } from './role-config.ts';
import type { Settings } from './settings.ts';

const block = 'grafana_provision';

/** The task of target grafana-provision and its Grafana. */
export function readGrafanaProvision(settings: Settings): GrafanaProvisionConfig {
  const text = (key: string) => settings.text(`${block}.${key}`);
  return {
    url: text('url').replace(/\/+$/, ''),
    token: text('token'),
    username: text('username'),
    password: text('password'),
    secretNamespace: text('secret_namespace'),
    secretName: text('secret_name'),
    serviceAccountDirectory: text('service_account_directory'),
    dataSourcesFile: text('data_sources'),
    dashboardsDirectory: text('dashboards'),
    folder: text('folder'),
    waitMs: settings.durationMs(`${block}.wait`),
    removes: settings.flag(`${block}.remove`),
    isBestEffort: settings.flag(`${block}.best_effort`),
  };
}
