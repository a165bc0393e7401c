/** Public exports of Grafana provisioning; the target `grafana-provision` is their only user. */
export { GrafanaApi, GrafanaError } from './grafana-api.ts';
export type { DataSource, GrafanaLogin } from './grafana-api.ts';
export { provisionGrafana, removeFromGrafana } from './provision.ts';
export type { Dashboard } from './provision.ts';
