/** Target grafana-provision: provisions a Grafana once and ends, as a Kubernetes Job expects it. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import YAML from 'yaml';
import type { Config } from '@loki/config';
import { GrafanaApi, GrafanaError, provisionGrafana, removeFromGrafana } from '@loki/grafana';
import type { Dashboard, DataSource, GrafanaLogin } from '@loki/grafana';
import type { HttpClient, Logger } from '@loki/ports';
import { NodeClock, NodeHttpClient } from '@loki/runtime';

type ProvisionConfig = Config['grafanaProvision'];

const pauseMs = 2_000;
const folderUid = 'loki';

/** @returns the exit code. 0: done, or there is no Grafana; 1: Grafana refuses, or the files are wrong */
export async function runGrafanaProvision(config: ProvisionConfig, logger: Logger): Promise<number> {
  const http = new NodeHttpClient();
  try {
    const content = { dataSources: await readDataSources(config), dashboards: await readDashboards(config) };
    const login = await loginOf(config, http);
    if (login === undefined) {
      logger.info('grafana: Secret not found, nothing to do', {
        secret: `${config.secretNamespace}/${config.secretName}`,
      });
      return 0;
    }
    const api = new GrafanaApi({ http, url: config.url, login });
    await waitFor(api, config.waitMs);
    const folder = { uid: folderUid, title: config.folder };
    if (config.removes) await removeFromGrafana(api, content, logger);
    else await provisionGrafana(api, { ...content, folder }, logger);
    return 0;
  } catch (error) {
    if (error instanceof GrafanaError && error.fault === 'absent') {
      logger.info('grafana: not installed, nothing to do', { url: config.url, reason: error.message });
      return 0;
    }
    logger.error('grafana: not provisioned', { err: error instanceof Error ? error.message : String(error) });
    return config.isBestEffort ? 0 : 1;
  } finally {
    http.close();
  }
}

async function waitFor(api: GrafanaApi, waitMs: number): Promise<void> {
  const clock = new NodeClock();
  const endMs = clock.monotonicMs() + waitMs;
  for (;;) {
    try {
      await api.health();
      return;
    } catch (error) {
      const isAbsent = error instanceof GrafanaError && error.fault === 'absent';
      if (!isAbsent || clock.monotonicMs() + pauseMs > endMs) throw error;
    }
    // Keeps the process alive.
    await pause(pauseMs);
  }
}

/** Undefined: the credentials are in a Secret of a Grafana that is not installed. */
async function loginOf(config: ProvisionConfig, http: HttpClient): Promise<GrafanaLogin | undefined> {
  const { token, username, password, secretNamespace, secretName } = config;
  if (token !== '') return { kind: 'token', token };
  if (username !== '') return { kind: 'user', name: username, password };
  if (secretName === '') throw new Error('grafana_provision: set token, username or secret_name');
  const data = await secretData(`/api/v1/namespaces/${secretNamespace}/secrets/${secretName}`, config, http);
  if (data === undefined) return undefined;
  const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString();
  return { kind: 'user', name: text('admin-user'), password: text('admin-password') };
}

/** Reads a Secret as the pod's service account. */
async function secretData(
  route: string,
  { serviceAccountDirectory }: ProvisionConfig,
  http: HttpClient,
): Promise<Readonly<Record<string, string>> | undefined> {
  const host = process.env['KUBERNETES_SERVICE_HOST'] ?? 'kubernetes.default.svc';
  const port = process.env['KUBERNETES_SERVICE_PORT'] ?? '443';
  const token = (await fs.readFile(path.join(serviceAccountDirectory, 'token'), 'utf8')).trim();
  const { status, body } = await http.send({
    method: 'GET',
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}${route}`,
    headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
    timeoutMs: 10_000,
    tls: { caFile: path.join(serviceAccountDirectory, 'ca.crt') },
  });
  if (status === 404) return undefined;
  if (status !== 200) {
    throw new Error(`kubernetes: GET ${route}: ${status}: ${body.toString().slice(0, 300)}`);
  }
  return (JSON.parse(body.toString()) as { data?: Record<string, string> }).data ?? {};
}

/** Data sources in the format of Grafana's own provisioning files. */
async function readDataSources({ dataSourcesFile }: ProvisionConfig): Promise<DataSource[]> {
  if (dataSourcesFile === '') return [];
  const file = YAML.parse(await fs.readFile(dataSourcesFile, 'utf8')) as {
    datasources?: Partial<DataSource>[];
  };
  return (file.datasources ?? []).map((source) => {
    const { uid, name, type, access, url, isDefault, jsonData, secureJsonData } = source;
    if (!uid || !name || !type || !url) {
      throw new Error(`${dataSourcesFile}: a data source has no uid, name, type or url`);
    }
    return {
      uid,
      name,
      type,
      access: access ?? 'proxy',
      url,
      isDefault: isDefault ?? false,
      jsonData: jsonData ?? {},
      secureJsonData: secureJsonData ?? {},
    };
  });
}

async function readDashboards({ dashboardsDirectory }: ProvisionConfig): Promise<Dashboard[]> {
  if (dashboardsDirectory === '') return [];
  const names = (await fs.readdir(dashboardsDirectory)).filter((name) => name.endsWith('.json')).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const dashboard = JSON.parse(
        await fs.readFile(path.join(dashboardsDirectory, name), 'utf8'),
      ) as Partial<Dashboard>;
      if (typeof dashboard.uid !== 'string') throw new Error(`${name}: the dashboard has no uid`);
      return dashboard as Dashboard;
    }),
  );
}
