/**
 * Protects the dashboards and alerts of deploy/mixin: each metric, with each value of a label that they name,
 * has a sample on a scrape of a process that has taken lines, answered, flushed, compacted, deleted and
 * evaluated a rule.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TestServer } from './test/server.ts';

const mixin = path.resolve(import.meta.dirname, '../../../deploy/mixin');
/** Labels that the scrape adds, or that stand for a variable of the dashboard. */
const scrapeLabels = new Set(['cluster', 'namespace', 'job', 'pod', 'container']);
/** Metrics that this process cannot have, each with the place that has it. */
const elsewhere: ReadonlyMap<string, string> = new Map([
  ['kube_horizontalpodautoscaler_status_current_replicas', 'kube-state-metrics'],
  ['kube_horizontalpodautoscaler_spec_max_replicas', 'kube-state-metrics'],
  ['loki_tls_certificate_expiry_timestamp_seconds', 'a process with a certificate'],
  ['loki_objstore_bucket_transport_requests_total', 'a process with a bucket'],
  ['loki_s3_request_duration_seconds', 'a process with a bucket'],
  ['loki_kv_request_duration_seconds', 'a process of several, with Redis'],
]);
/** Counters without a series until the first event, which a test cannot wait for; their names are enough. */
const mayBeZero =
  /_failures_total$|_discarded_|_records_lost_total$|_lost_total$|_missed_total$|_objects_deleted_total$/;

interface Selector {
  readonly name: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
}

function selectorsOf(expr: string): Selector[] {
  const selectors: Selector[] = [];
  for (const [, name, inner] of expr.matchAll(
    /\b((?:loki|logql|process|nodejs|kube|go)_[a-z0-9_]+)(?:\{([^}]*)\})?/g,
  )) {
    if (expr.includes(`:${name}:`)) continue;
    const matchers = [...(inner ?? '').matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g)]
      .map(([, label, operator, value]) => ({ label, operator, value }))
      .filter(({ label }) => !scrapeLabels.has(label));
    selectors.push({ name, matchers });
  }
  return selectors;
}

function expressions(): string[] {
  const exprs: string[] = [];
  for (const file of fs.readdirSync(path.join(mixin, 'dashboards'))) {
    const text = fs.readFileSync(path.join(mixin, 'dashboards', file), 'utf8');
    const { panels } = JSON.parse(text) as {
      panels: { datasource?: { type: string }; targets?: { expr: string }[] }[];
    };
    for (const panel of panels) {
      if (panel.datasource?.type !== 'prometheus') continue;
      exprs.push(...(panel.targets ?? []).map(({ expr }) => expr));
    }
  }
  for (const file of ['alerts.yaml', 'rules.yaml']) {
    const text = fs.readFileSync(path.join(mixin, file), 'utf8').replaceAll(/^\s*#.*$/gm, '');
    exprs.push(
      ...text
        .split(/^\s*expr:/m)
        .slice(1)
        .map((part) => part.split(/^\s*(?:for|labels|- record|- alert):/m)[0]),
    );
  }
  return exprs;
}

/** Series of a scrape, by name. */
function seriesOf(text: string): Map<string, Map<string, string>[]> {
  const series = new Map<string, Map<string, string>[]>();
  for (const [, name, inner] of text.matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? \S+$/gm)) {
    const labels = new Map(
      [...(inner ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, k, v]) => [k, v]),
    );
    series.set(name, [...(series.get(name) ?? []), labels]);
  }
  return series;
}

function matches(labels: ReadonlyMap<string, string>, { matchers }: Selector): boolean {
  return matchers.every(({ label, operator, value }) => {
    const own = labels.get(label) ?? '';
    if (operator === '=') return own === value;
    if (operator === '!=') return own !== value;
    const isMatch = new RegExp(`^(?:${value})$`).test(own);
    return (operator === '=~') === isMatch;
  });
}

let server: TestServer;
const pushLine = () =>
  server.push({ streams: [{ stream: { app: 'b' }, values: [[`${Date.now()}000000`, 'a line']] }] });
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-dashboards-'));

beforeAll(async () => {
  const rules = path.join(directory, 'rules', 'fake');
  fs.mkdirSync(rules, { recursive: true });
  fs.writeFileSync(
    path.join(rules, 'rules.yaml'),
    `groups:
  - name: g
    interval: 1s
    rules:
      - {record: lines, expr: 'sum(count_over_time({app="a"}[1m]))'}
`,
  );
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(
    file,
    `auth_enabled: false
ruler:
  storage: {type: local, local: {directory: ${path.join(directory, 'rules')}}}
compactor:
  retention_enabled: true
  delete_request_store: filesystem
  delete_request_cancel_period: 1s
  compaction_interval: 1s
limits_config:
  retention_period: 744h
  deletion_mode: filter-and-delete
query_range:
  cache_results: true
  results_cache: {cache: {embedded_cache: {enabled: true}}}
`,
  );
  server = await TestServer.start([`-config.file=${file}`]);
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  for (let round = 0; round < 2; round++) {
    const values = Array.from({ length: 50 }, (_, i) => [
      String(nowNs - BigInt(round * 50 + i) * 60_000_000_000n),
      `line ${round} ${i}`,
    ]);
    await server.push({ streams: [{ stream: { app: 'a' }, values }] });
    await server.get('/loki/api/v1/query?query=count_over_time({app="a"}[1m])');
    await server.lines('{app="a"}');
    await server.get('/loki/api/v1/series?match[]={app="a"}');
    await fetch(`${server.url}/flush`, { method: 'POST' });
    await server.lines('{app="a"}');
  }
  // Old enough for the cache of results.
  const times = {
    start: String(nowNs - 7_200_000_000_000n),
    end: String(nowNs - 3_600_000_000_000n),
    step: '60',
  };
  const old = new URLSearchParams({ query: 'sum(count_over_time({app="a"}[1m]))', ...times });
  for (let i = 0; i < 2; i++) await server.get(`/loki/api/v1/query_range?${old.toString()}`);
  const search = new URLSearchParams({ query: '{app="a"} |= "line 1 7"', start: '1700000000' });
  const requested = await fetch(`${server.url}/loki/api/v1/delete?${search.toString()}`, { method: 'POST' });
  expect([requested.status, await requested.text()]).toEqual([204, '']);
}, 60_000);
afterAll(async () => {
  await server.dispose();
  fs.rmSync(directory, { recursive: true });
});

test('each metric that a panel or an alert names has a sample', async () => {
  const selectors = expressions().flatMap(selectorsOf);
  expect(selectors.length).toBeGreaterThan(100);
  const absent = async () => {
    // A delete that is due has all of memory flushed.
    await pushLine();
    const { text } = await server.get('/metrics');
    const series = seriesOf(text);
    return selectors.filter((selector) => {
      const base = selector.name.replace(/_(bucket|sum|count)$/, '');
      if (elsewhere.has(selector.name) || elsewhere.has(base)) return false;
      if (mayBeZero.test(selector.name)) return !text.includes(`# TYPE ${selector.name} `);
      return !(series.get(selector.name) ?? []).some((labels) => matches(labels, selector));
    });
  };
  let missing = await absent();
  for (let second = 0; second < 30 && missing.length > 0; second++) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    missing = await absent();
  }
  expect(new Set(missing.map(({ name, matchers }) => `${name} ${JSON.stringify(matchers)}`))).toEqual(
    new Set(),
  );
}, 60_000);

test('a metric that nothing has is told', () => {
  const [selector] = selectorsOf(
    'sum(rate(loki_request_duration_seconds_count{cluster=~"$c", route="nowhere"}[1m]))',
  );
  const series = seriesOf('loki_request_duration_seconds_count{route="loki_api_v1_push"} 3\n');
  expect(series.get(selector.name)!.some((labels) => matches(labels, selector))).toBe(false);
});
