/**
 * Brings what Grafana has in line with what it should have, and leaves alone what its users changed. A data
 * source carries in `jsonData` a mark of what was written, a dashboard in the message of its version: when
 * the object still is what the mark says, it is ours to change.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '@loki/ports';
import type { DataSource, GrafanaApi, StoredDataSource } from './grafana-api.ts';

/** A dashboard's JSON, with its uid. */
export type Dashboard = Readonly<Record<string, unknown>> & { readonly uid: string };

interface Provision {
  readonly dataSources: readonly DataSource[];
  readonly dashboards: readonly Dashboard[];
  /** Where dashboards are. */
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
 * Creates and changes data sources and dashboards, but for those that users have changed.
 *
 * @throws GrafanaError at the first request that fails: the rest would fail alike
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

/** Removes what carries our uids and has not become a user's own. The folder stays: others may be in it. */
export async function removeFromGrafana(
  api: GrafanaApi,
  { dataSources, dashboards }: Omit<Provision, 'folder'>,
  logger: Logger,
): Promise<void> {
  for (const { uid, name } of dataSources) {
    const stored = await api.dataSource(uid);
    const outcome = stored === undefined ? 'absent' : (standing(stored, name) ?? 'removed');
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
  // Grafana shows no secrets: their hash says whether ours changed since.
  const mark = `${visible}.${hashOf(source.secureJsonData)}`;
  const marked = { ...source, jsonData: { ...source.jsonData, [markKey]: mark } };
  const stored = await api.dataSource(source.uid);
  if (stored === undefined) {
    await api.createDataSource(marked);
    return 'created';
  }
  const theirs = standing(stored, source.name);
  if (theirs !== undefined) return theirs;
  if (stored.jsonData[markKey] === mark) return 'unchanged';
  await api.updateDataSource(marked);
  return 'updated';
}

/** Why a stored data source is not ours to change; undefined: it is. */
function standing(stored: StoredDataSource, name: string): Outcome | undefined {
  if (stored.readOnly) return 'provisioned by a file';
  if (stored.name !== name) return 'renamed by a user';
  const mark = stored.jsonData?.[markKey];
  const isAsWritten = typeof mark === 'string' && mark.split('.')[0] === hashOf(visibleOf(stored));
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
  // Grafana finds it by its uid; a number would be another Grafana's.
  await api.saveDashboard({ ...dashboard, id: null }, folderUid, message);
  return last === undefined ? 'created' : 'updated';
}

function tell(logger: Logger, kind: string, uid: string, outcome: Outcome): void {
  logger.info(`grafana: ${kind}`, { uid, outcome });
}

/** Of the value, whatever the order of its keys: Grafana's answers have one of their own. */
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
