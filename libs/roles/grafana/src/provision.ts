/**
 * Provisions Grafana's data sources and dashboards, and leaves changes of users alone. A data source carries
 * in `jsonData`, a dashboard in the message of its version, a mark with the hash of the written content: an
 * object that still matches its mark may be changed.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '@loki/ports';
import type { DataSource, GrafanaApi, StoredDataSource } from './grafana-api.ts';

/** A dashboard's JSON, with its uid. */
export type Dashboard = Readonly<Record<string, unknown>> & { readonly uid: string };

interface Provision {
  readonly dataSources: readonly DataSource[];
  readonly dashboards: readonly Dashboard[];
  /** The folder of the dashboards. */
  readonly folder: { readonly uid: string; readonly title: string };
}

type Outcome =
  | 'created'
  | 'updated'
  | 'unchanged'
  | 'edited by a user'
  | 'renamed by a user'
  | 'provisioned by a file'
  | 'removed'
  | 'absent';

const markKey = 'lokiProvisioned';
const messagePrefix = 'provisioned by loki: ';

/**
 * Creates and changes data sources and dashboards, except those that users have changed.
 *
 * @throws GrafanaError at the first request that fails: the others would fail alike
 */
export async function provisionGrafana(
  api: GrafanaApi,
  { dataSources, dashboards, folder }: Provision,
  logger: Logger,
): Promise<void> {
  for (const source of dataSources) {
    tell(logger, 'data source', source.uid, await keepDataSource(api, source));
  }
  if (dashboards.length === 0) return;
  if (!(await api.hasFolder(folder.uid))) await api.createFolder(folder.uid, folder.title);
  for (const dashboard of dashboards) {
    tell(logger, 'dashboard', dashboard.uid, await keepDashboard(api, dashboard, folder.uid));
  }
}

/**
 * Removes objects with our uids that users have not changed. The folder stays: it may have other dashboards.
 */
export async function removeFromGrafana(
  api: GrafanaApi,
  { dataSources, dashboards }: Omit<Provision, 'folder'>,
  logger: Logger,
): Promise<void> {
  for (const { uid, name } of dataSources) {
    const present = await api.dataSource(uid);
    const outcome = present === undefined ? 'absent' : (obstacleOf(present, name) ?? 'removed');
    if (outcome === 'removed') await api.deleteDataSource(uid);
    tell(logger, 'data source', uid, outcome);
  }
  for (const { uid } of dashboards) {
    const message = await api.lastDashboardMessage(uid);
    const outcome =
      message === undefined ? 'absent' : message.startsWith(messagePrefix) ? 'removed' : 'edited by a user';
    if (outcome === 'removed') await api.deleteDashboard(uid);
    tell(logger, 'dashboard', uid, outcome);
  }
}

async function keepDataSource(api: GrafanaApi, source: DataSource): Promise<Outcome> {
  const visible = hashOf(visibleOf(source));
  // Grafana does not return secrets: the mark has a hash of them.
  const mark = `${visible}.${hashOf(source.secureJsonData)}`;
  const marked = { ...source, jsonData: { ...source.jsonData, [markKey]: mark } };
  const present = await api.dataSource(source.uid);
  if (present === undefined) {
    await api.createDataSource(marked);
    return 'created';
  }
  const theirs = obstacleOf(present, source.name);
  if (theirs !== undefined) return theirs;
  if (present.jsonData[markKey] === mark) return 'unchanged';
  await api.updateDataSource(marked);
  return 'updated';
}

/** The reason why a stored data source must not be changed; undefined: it may be. */
function obstacleOf(present: StoredDataSource, name: string): Outcome | undefined {
  if (present.readOnly) return 'provisioned by a file';
  if (present.name !== name) return 'renamed by a user';
  const mark = present.jsonData?.[markKey];
  const isAsWritten = typeof mark === 'string' && mark.split('.')[0] === hashOf(visibleOf(present));
  return isAsWritten ? undefined : 'edited by a user';
}

function visibleOf({
  uid,
  name,
  type,
  access,
  url,
  isDefault,
  jsonData,
}: Omit<DataSource, 'secureJsonData'>): unknown {
  const { [markKey]: _mark, ...data } = jsonData;
  return { uid, name, type, access, url, isDefault, jsonData: data };
}

async function keepDashboard(api: GrafanaApi, dashboard: Dashboard, folderUid: string): Promise<Outcome> {
  const message = messagePrefix + hashOf(dashboard);
  const last = await api.lastDashboardMessage(dashboard.uid);
  if (last === message) return 'unchanged';
  if (last !== undefined && !last.startsWith(messagePrefix)) return 'edited by a user';
  // Grafana identifies it by its uid; a numeric id would belong to another Grafana.
  await api.saveDashboard({ ...dashboard, id: null }, folderUid, message);
  return last === undefined ? 'created' : 'updated';
}

function tell(logger: Logger, kind: string, uid: string, outcome: Outcome): void {
  logger.info(`grafana: ${kind}`, { uid, outcome });
}

/** Hash of a value, independent of the order of its keys, which Grafana changes. */
function hashOf(value: unknown): string {
  return createHash('sha256').update(stableJson(value)).digest('hex').slice(0, 16);
}

function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
