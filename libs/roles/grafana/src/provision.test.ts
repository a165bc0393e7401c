/**
 * Protects the data sources of a Grafana: they appear by themselves, come back with a lost database, and stay
 * as a user made them. Real requests, answered by a fake of Grafana's API.
 */
import { NodeHttpClient } from '@loki/runtime';
import { FakeGrafana } from '@loki/test-tools';
import { GrafanaApi } from './grafana-api.ts';
import type { DataSource } from './grafana-api.ts';
import { provisionGrafana, removeFromGrafana } from './provision.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const http = new NodeHttpClient();
let grafana: FakeGrafana;
let api: GrafanaApi;
let url: string;

beforeEach(async () => {
  grafana = new FakeGrafana();
  url = await grafana.listen();
  api = new GrafanaApi({ http, url, login: { kind: 'user', name: 'admin', password: 'secret' } });
});
afterEach(() => grafana.close());
afterAll(() => http.close());

const sourceOf = (tenant: string, url = 'http://loki-gateway.loki.svc'): DataSource => ({
  uid: tenant,
  name: `Whizard ${tenant}`,
  type: 'loki',
  access: 'proxy',
  url,
  isDefault: false,
  jsonData: { httpHeaderName1: 'X-Scope-OrgID', maxLines: 1000 },
  secureJsonData: { httpHeaderValue1: tenant },
});
const dashboard = { uid: 'logs', title: 'Logs', panels: [] };
const folder = { uid: 'loki', title: 'Loki' };
const content = { dataSources: [sourceOf('logs'), sourceOf('events')], dashboards: [dashboard], folder };
const run = (provision = content) => provisionGrafana(api, provision, logger);

test('data sources and dashboards are created, with the tenant as a secret header', async () => {
  await run();
  expect([...grafana.dataSources.keys()]).toEqual(['logs', 'events']);
  expect(grafana.dataSources.get('logs')).toMatchObject({
    ...sourceOf('logs'),
    jsonData: { maxLines: 1000 },
  });
  expect(grafana.dashboards.get('logs')).toMatchObject({ folderUid: 'loki', dashboard: { title: 'Logs' } });
  expect(grafana.folders.get('loki')).toEqual(folder);
});

test('a second run changes nothing', async () => {
  await run();
  grafana.requests.length = 0;
  await run();
  expect(grafana.requests.filter((request) => !request.startsWith('GET '))).toEqual([]);
});

test('all of it comes back after the database is lost', async () => {
  await run();
  const before = structuredClone([...grafana.dataSources]);
  grafana.loseDatabase();
  await run();
  expect([...grafana.dataSources]).toEqual(before);
  expect(grafana.dashboards.size).toBe(1);
});

test('a new address and a new tenant reach what nobody edited', async () => {
  await run();
  await run({ ...content, dataSources: [sourceOf('logs', 'http://elsewhere')] });
  expect(grafana.dataSources.get('logs')).toMatchObject({ url: 'http://elsewhere' });
  const moved = { ...sourceOf('logs', 'http://elsewhere'), secureJsonData: { httpHeaderValue1: 'another' } };
  await run({ ...content, dataSources: [moved] });
  expect(grafana.dataSources.get('logs')).toMatchObject({ secureJsonData: { httpHeaderValue1: 'another' } });
  const title = 'Logs of all clusters';
  await run({ ...content, dashboards: [{ ...dashboard, title }] });
  expect(grafana.dashboards.get('logs')!.dashboard.title).toBe(title);
});

test.each([
  ['edited', { jsonData: { maxLines: 50 } }],
  ['renamed', { name: 'My logs' }],
  ['made read-only by a file', { readOnly: true }],
])(
  'a data source that a user %s is left alone, also when ours changes and when we go',
  async (_how, edit) => {
    await run();
    const dataSource = { ...grafana.dataSources.get('logs')!, ...edit };
    grafana.dataSources.set('logs', dataSource);
    await run({ ...content, dataSources: [sourceOf('logs', 'http://elsewhere')] });
    expect(grafana.dataSources.get('logs')).toBe(dataSource);
    await removeFromGrafana(api, content, logger);
    expect(grafana.dataSources.get('logs')).toBe(dataSource);
    expect(grafana.dataSources.has('events')).toBe(false);
  },
);

test('a dashboard that a user saved is left alone', async () => {
  await run();
  const savedDashboard = grafana.dashboards.get('logs')!;
  savedDashboard.messages.push('wider panels');
  await run({ ...content, dashboards: [{ ...dashboard, title: 'New' }] });
  await removeFromGrafana(api, content, logger);
  expect(grafana.dashboards.get('logs')).toBe(savedDashboard);
});

test('objects with uids of others are never asked for', async () => {
  const others = { uid: 'prometheus', name: 'Prometheus', jsonData: {} };
  grafana.dataSources.set('prometheus', others);
  await run();
  await removeFromGrafana(api, content, logger);
  expect(grafana.requests.filter((request) => request.includes('prometheus'))).toEqual([]);
  expect([...grafana.dataSources.values()]).toEqual([others]);
});

test('a wrong password is tried once', async () => {
  grafana.authorization = 'Basic other';
  await expect(run()).rejects.toMatchObject({ fault: 'denied' });
  expect(grafana.requests).toHaveLength(1);
});

test('a token logs in as well', async () => {
  grafana.authorization = 'Bearer glsa_1';
  api = new GrafanaApi({ http, url, login: { kind: 'token', token: 'glsa_1' } });
  await run();
  expect(grafana.dataSources.size).toBe(2);
});

test('a Grafana that is away or starts is absent', async () => {
  grafana.startsAfter = 1;
  await expect(api.health()).rejects.toMatchObject({ fault: 'absent' });
  await expect(api.health()).resolves.toBeUndefined();
  await grafana.close();
  await expect(run()).rejects.toMatchObject({ fault: 'absent' });
  grafana = new FakeGrafana();
  await grafana.listen();
});
