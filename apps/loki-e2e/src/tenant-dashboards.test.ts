/**
 * Protects KubeSphere's four tenants in Grafana: the provisioned data sources are healthy, and each query of
 * each of our dashboards over lines, its variables filled in as Grafana fills them, shows all lines of the
 * data source's tenant, from the store and from memory, and none of another.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import YAML from 'yaml';
import { DashboardClient } from '@loki/test-tools';
import { TestServer } from './test/server.ts';

const deploy = path.resolve(import.meta.dirname, '../../../deploy');
const { datasources } = YAML.parse(
  fs.readFileSync(path.join(deploy, 'compose/config/datasources.yaml'), 'utf8'),
) as { datasources: (ConstructorParameters<typeof DashboardClient>[0]['source'] & { type: string })[] };
const sources = datasources.filter(({ type }) => type === 'loki');

/** Labels of the pipeline's sinks; the second list is absent on lines of a node or a cluster. */
const labelsOf: Readonly<Record<string, readonly [always: readonly string[], often: readonly string[]]>> = {
  'whizard-logs-ks': [
    ['cluster', 'container'],
    ['workspace', 'node', 'namespace', 'pod'],
  ],
  'whizard-events-ks': [
    ['cluster', 'type', 'kind', 'reason'],
    ['namespace', 'reported_by'],
  ],
  'whizard-auditing-ks': [
    ['cluster', 'verb', 'resource', 'user'],
    ['workspace', 'namespace'],
  ],
  'whizard-notification-ks': [['cluster', 'alertname', 'alerttype', 'severity'], ['namespace']],
};
const dashboardsOf: Readonly<Record<string, readonly string[]>> = {
  'whizard-logs-ks': ['whizard-logging', 'loki-logs'],
  'whizard-events-ks': ['whizard-events'],
  'whizard-auditing-ks': ['whizard-auditing'],
  'whizard-notification-ks': ['whizard-notification'],
};
/** Of each stream, before the flush and again after it. */
const lineCount = 20;

let server: TestServer;
let startMs: number;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-tenant-dashboards-'));

/** A value with a character that patterns have a meaning for. */
const valueOf = (tenant: string, label: string, stream: string) => `${tenant}.${label}.${stream}`;
const streamsOf = (tenant: string): Record<string, string>[] => {
  const [always, often] = labelsOf[tenant];
  const labels = (names: readonly string[], stream: string) =>
    Object.fromEntries(names.map((name) => [name, valueOf(tenant, name, stream)]));
  return [labels([...always, ...often], 'a'), labels([...always, ...often], 'b'), labels(always, 'c')];
};

async function push(tenant: string, streams: Record<string, string>[], firstMs: number): Promise<void> {
  const values = (word: number) =>
    Array.from({ length: lineCount }, (_, i) => [
      `${firstMs + i * 1000}000000`,
      `level=info tenant=${tenant} word=${word}`,
    ]);
  const body = { streams: streams.map((stream, word) => ({ stream, values: values(word) })) };
  expect(await server.push(body, { 'X-Scope-OrgID': tenant })).toMatchObject({ status: 204 });
}

beforeAll(async () => {
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(file, 'auth_enabled: true\n');
  server = await TestServer.start([`-config.file=${file}`]);
  startMs = Math.floor(Date.now() / 60_000) * 60_000 - 3_600_000;
  // A tenant with the very streams of the others.
  const everyStream = Object.keys(labelsOf).flatMap(streamsOf);
  for (const firstMs of [startMs + 60_000, startMs + 1_800_000]) {
    for (const tenant of Object.keys(labelsOf)) await push(tenant, streamsOf(tenant), firstMs);
    await push('other', everyStream, firstMs);
    if (firstMs === startMs + 60_000) {
      expect((await fetch(`${server.url}/flush`, { method: 'POST' })).status).toBe(204);
    }
  }
});
afterAll(async () => {
  await server.dispose();
  fs.rmSync(directory, { recursive: true });
});

const clientOf = (tenant: string) =>
  new DashboardClient({
    url: server.url,
    source: sources.find(({ uid }) => uid === tenant)!,
    startMs,
    endMs: startMs + 3_600_000,
  });
const dashboard = (name: string) =>
  JSON.parse(fs.readFileSync(path.join(deploy, `mixin/dashboards/${name}.json`), 'utf8')) as Parameters<
    DashboardClient['draw']
  >[0];

test('the data sources are those of the four tenants, and each names its own', () => {
  expect(sources.map(({ uid, secureJsonData }) => [uid, secureJsonData.httpHeaderValue1])).toEqual(
    Object.keys(labelsOf).map((tenant) => [tenant, tenant]),
  );
});

test('each dashboard over lines is one of a tenant here', () => {
  const overLines = fs
    .readdirSync(path.join(deploy, 'mixin/dashboards'))
    .filter((file) =>
      fs.readFileSync(path.join(deploy, 'mixin/dashboards', file), 'utf8').includes('"type": "logs"'),
    );
  expect(overLines.sort()).toEqual(
    Object.values(dashboardsOf)
      .flat()
      .map((name) => `${name}.json`)
      .sort(),
  );
});

describe.each(Object.keys(labelsOf))('%s', (tenant) => {
  const all = 3 * 2 * lineCount;

  test('the data source is healthy', async () => {
    expect(await clientOf(tenant).health()).toBe('2');
  });

  test.each(dashboardsOf[tenant])('%s shows all data of its tenant, and no other data', async (name) => {
    const client = clientOf(tenant);
    const values = await client.values(dashboard(name));
    for (const [variable, found] of values) {
      const streams = streamsOf(tenant).filter((stream) => variable in stream);
      expect([variable, found]).toEqual([variable, streams.map((stream) => stream[variable])]);
    }
    // Its lines without a namespace are not the business of the dashboard about the system itself.
    const shownLines = name === 'loki-logs' ? (all / 3) * 2 : all;
    await expectPanels(client, name, {}, shownLines);
  });

  test.each(dashboardsOf[tenant])('%s shows the chosen selection', async (name) => {
    const client = clientOf(tenant);
    const values = await client.values(dashboard(name));
    const choice = Object.fromEntries([...values].map(([variable, found]) => [variable, [found[0]]]));
    await expectPanels(client, name, choice, all / 3);
    const two = Object.fromEntries([...values].map(([variable, found]) => [variable, found.slice(0, 2)]));
    await expectPanels(client, name, two, (all / 3) * 2);
    await expectPanels(client, name, { search: ['word=1'] }, all / 3);
    await expectPanels(client, name, { search: [`tenant=(other|x)`] }, 0);
  });

  async function expectPanels(
    client: DashboardClient,
    name: string,
    choice: Record<string, string[]>,
    count: number,
  ): Promise<void> {
    const panels = await client.draw(dashboard(name), choice);
    expect(panels.map(({ type }) => type)).toEqual(['timeseries', 'logs']);
    for (const { type, lines, curves } of panels) {
      const counted = [...curves.values()].reduce((sum, value) => sum + value, 0);
      expect([type, type === 'logs' ? lines.length : counted]).toEqual([type, count]);
      for (const line of lines) expect(line).toContain(`tenant=${tenant} `);
    }
  }
});

test('a data source without the tenant header gets no data', async () => {
  const { status, text } = await server.get('/loki/api/v1/query?query=vector(1)');
  expect([status, text]).toEqual([401, 'no org id\n']);
});
