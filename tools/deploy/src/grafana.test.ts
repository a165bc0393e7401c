/**
 * Protects chart loki-grafana: the same data sources and dashboards in each of its three ways, and those of
 * other clusters.
 */
import fs from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';
import { charts, dataSourcesOf, objectNamed, refusal, render, root, testWith } from './test/charts.ts';
import type { KubeObject } from './test/charts.ts';

const tenants = ['whizard-logs-ks', 'whizard-events-ks', 'whizard-auditing-ks', 'whizard-notification-ks'];
const dashboardsOf = (chart: string) => {
  const directory = path.join(chart, 'files/dashboards');
  return fs
    .readdirSync(directory)
    .map((name) => ({ name, text: fs.readFileSync(path.join(directory, name), 'utf8') }));
};
const ways = ['api', 'sidecar', 'operator'] as const;

const renderAs = (mode: (typeof ways)[number], values: object = {}) =>
  render({ chart: charts.grafana, release: 'loki', values: { provision: { mode }, ...values } });

const sources: Readonly<Record<(typeof ways)[number], (objects: readonly KubeObject[]) => KubeObject[]>> = {
  api: dataSourcesOf,
  sidecar: (objects) => {
    const secret = objectNamed(objects, 'Secret', 'loki-datasources');
    const text = Buffer.from(secret.data['loki-datasources.yaml'] as string, 'base64').toString();
    return (YAML.parse(text) as { datasources: KubeObject[] }).datasources;
  },
  operator: (objects) =>
    objects
      .filter(({ kind }) => kind === 'GrafanaDatasource')
      .map(({ spec }) => spec.datasource as KubeObject),
};

testWith('helm4').each(ways)('%s: the four data sources are those of the tenants', (mode) => {
  const found = sources[mode](renderAs(mode));
  expect(found.map(({ uid }) => uid as string).toSorted()).toEqual(tenants.toSorted());
  for (const source of found) {
    expect(source).toEqual({
      name: expect.stringMatching(/^Whizard /),
      uid: expect.any(String),
      type: 'loki',
      access: 'proxy',
      url: 'http://loki-gateway.loki.svc',
      isDefault: false,
      editable: true,
      jsonData: { httpHeaderName1: 'X-Scope-OrgID', maxLines: 1000, timeout: 300 },
      secureJsonData: { httpHeaderValue1: source.uid },
    });
  }
});

testWith('helm4').each(ways)('%s: another cluster has data sources of its own', (mode) => {
  const found = sources[mode](renderAs(mode, { clusters: { 'member-1': { url: 'http://10.0.0.5:32100' } } }));
  expect(found).toHaveLength(8);
  expect(found.find(({ uid }) => uid === 'whizard-logs-ks-member-1')).toMatchObject({
    name: 'Whizard Logs (member-1)',
    url: 'http://10.0.0.5:32100',
    secureJsonData: { httpHeaderValue1: 'whizard-logs-ks' },
  });
});

testWith('helm4').each(ways)('%s: every dashboard of KubeSphere’s pipeline is there, as it is', (mode) => {
  const texts = renderAs(mode).flatMap(({ data, spec }): string[] => [
    ...Object.entries((data ?? {}) as Record<string, string>).flatMap(([key, text]) =>
      key.endsWith('.json') ? text : [],
    ),
    ...(typeof spec?.json === 'string' ? [spec.json as string] : []),
  ]);
  const parsed = (text: string) => JSON.parse(text) as { uid: string };
  const wanted = dashboardsOf(charts.grafana).map(({ text }) => parsed(text));
  expect(wanted).toHaveLength(4);
  const byUid = (all: { uid: string }[]) => all.toSorted((a, b) => (a.uid < b.uid ? -1 : 1));
  expect(byUid(texts.map(parsed))).toEqual(byUid(wanted));
  // The bound of a ConfigMap.
  expect(texts.join('').length).toBeLessThan(1_000_000);
});

testWith('helm4')('without the mode api nothing runs and nothing is granted', () => {
  for (const mode of ['sidecar', 'operator'] as const) {
    const kinds = renderAs(mode).map(({ kind }) => kind);
    expect(kinds.filter((kind) => ['CronJob', 'Job', 'Role', 'ServiceAccount'].includes(kind))).toEqual([]);
  }
});

testWith('helm4')('an own Secret with the login needs no right in Grafana’s namespace', () => {
  const objects = renderAs('api', { grafana: { existingSecret: 'login' } });
  expect(objects.filter(({ kind }) => kind.startsWith('Role'))).toEqual([]);
  const { spec } = objectNamed(objects, 'CronJob', 'loki-grafana-datasources').spec.jobTemplate.spec.template;
  expect(spec.automountServiceAccountToken).toBe(false);
  expect(spec.containers[0].env[0].valueFrom.secretKeyRef).toEqual({
    name: 'login',
    key: 'token',
    optional: true,
  });
});

testWith('helm4').each([
  [{ dataSource: {} }, /additional propert.*dataSource/i],
  [{ url: 'loki-gateway' }, /url/],
  [{ provision: { mode: 'file' } }, /mode.*api.*sidecar.*operator/],
  [{ clusters: { a: {} } }, /url/],
])('%j is refused in words', (values, words) => {
  expect(refusal({ chart: charts.grafana, values })).toMatch(words);
});

testWith('helm4')('rules and dashboards of the mixin are in chart loki as they are', () => {
  const values = { monitoring: { rules: { enabled: true }, dashboards: { enabled: true } } };
  const objects = render({ values });
  const groups = ['alerts', 'rules'].flatMap((name) => {
    const text = fs.readFileSync(path.join(root, `deploy/mixin/${name}.yaml`), 'utf8');
    return (YAML.parse(text) as { groups: unknown[] }).groups;
  });
  expect(objectNamed(objects, 'PrometheusRule', 'loki').spec.groups).toEqual(groups);
  for (const { name, text } of dashboardsOf(charts.loki)) {
    const map = objectNamed(objects, 'ConfigMap', `loki-dashboard-${path.basename(name, '.json')}`);
    expect(map.data[name]).toBe(text);
  }
});
