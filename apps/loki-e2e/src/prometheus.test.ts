/**
 * Protects rules where they end: recorded series in a real Prometheus, alerts in a real Alertmanager and what
 * it tells people, over outages of either side. `LOKI_TEST_PROMETHEUS`, `LOKI_TEST_ALERTMANAGER` and
 * `LOKI_TEST_PROMTOOL` name the binaries; `npm run test:services` sets them.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { OtherServer, Webhook } from './test/prometheus.ts';
import { TestServer } from './test/server.ts';

const prometheusBinary = process.env['LOKI_TEST_PROMETHEUS'];
const alertmanagerBinary = process.env['LOKI_TEST_ALERTMANAGER'];
const promtool = process.env['LOKI_TEST_PROMTOOL'];

if (!prometheusBinary || !alertmanagerBinary || !promtool) {
  test.skip('rules: skipped, LOKI_TEST_PROMETHEUS, LOKI_TEST_ALERTMANAGER or LOKI_TEST_PROMTOOL is not set', () =>
    undefined);
} else {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-prometheus-'));
  const webhook = new Webhook();
  let prometheus: OtherServer;
  let alertmanager: OtherServer;
  let server: TestServer;

  /** Rules that both languages have. */
  const commonRules = `name: common
interval: 1s
rules:
- record: common:one
  expr: vector(1)
  labels: {kind: recorded}
- alert: Common
  expr: vector(1) > 0
  for: 1h
  labels: {severity: none}
  annotations: {summary: always}
`;
  const shopRules = `name: shop
interval: 1s
rules:
- record: app:broken:count
  expr: sum by (app) (count_over_time({app="shop"} |= "broken" [1h]))
  labels: {team: shop}
- alert: Broken
  expr: sum by (app) (count_over_time({app="shop"} |= "broken" [1h])) > sum by (app) (count_over_time({app="shop"} |= "mended" [1h]))
  for: 3s
  labels: {severity: page}
  annotations: {summary: '{{ $value }} broken in {{ $labels.app }}'}
`;

  beforeAll(async () => {
    const indented = commonRules
      .replace('kind: recorded', 'kind: own')
      .replace('severity: none', 'kind: own')
      .replaceAll('\n', '\n  ')
      .trimEnd();
    const rules = `groups:\n- ${indented}\n`;
    prometheus = await OtherServer.prometheus(prometheusBinary, path.join(directory, 'prometheus'), rules);
    const hook = await webhook.start();
    alertmanager = await OtherServer.alertmanager(alertmanagerBinary, path.join(directory, 'am'), hook);
    const file = path.join(directory, 'loki.yaml');
    fs.writeFileSync(
      file,
      `auth_enabled: false
ruler:
  alertmanager_url: ${alertmanager.url}
  external_url: http://loki.example
  external_labels: {cluster: c1}
  resend_delay: 15s
  remote_write:
    enabled: true
    clients:
      main: {url: '${prometheus.url}/api/v1/write'}
`,
    );
    server = await TestServer.start([`-config.file=${file}`]);
    for (const group of [commonRules, shopRules]) {
      const created = await fetch(`${server.url}/loki/api/v1/rules/ns`, {
        method: 'POST',
        headers: { 'content-type': 'application/yaml' },
        body: group,
      });
      expect(created.status).toBe(202);
    }
  });

  afterAll(async () => {
    for (const each of [server, prometheus, alertmanager]) await each?.stop();
    if (server) fs.rmSync(server.directory, { recursive: true, force: true });
    webhook.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });

  async function push(...lines: string[]): Promise<void> {
    const now = BigInt(Date.now()) * 1_000_000n;
    const values = lines.map((line, i) => [`${now + BigInt(i)}`, line]);
    expect((await server.push({ streams: [{ stream: { app: 'shop' }, values }] })).status).toBe(204);
  }

  interface Sample {
    readonly metric: Record<string, string>;
    readonly values: [number, string][];
  }

  /** All samples of a series that Prometheus has stored. */
  async function stored(selector: string): Promise<Sample[]> {
    const query = encodeURIComponent(`${selector}[30m]`);
    const answer = await prometheus.get<{ data: { result: Sample[] } }>(`/api/v1/query?query=${query}`);
    return answer.data.result;
  }

  interface SentAlert {
    readonly labels: Record<string, string>;
    readonly annotations: Record<string, string>;
    readonly startsAt: string;
    readonly endsAt: string;
    readonly updatedAt: string;
    readonly generatorURL: string;
    readonly status: { state: string };
  }

  async function alertsOf(name: string): Promise<SentAlert[]> {
    return alertmanager.get<SentAlert[]>(
      `/api/v2/alerts?filter=${encodeURIComponent(`alertname="${name}"`)}`,
    );
  }

  interface RuleAnswer {
    readonly data: {
      readonly groups: { readonly name: string; readonly rules: Record<string, unknown>[] }[];
    };
  }

  async function groupOf(name: string): Promise<RuleAnswer['data']['groups'][number] | undefined> {
    const { text } = await server.get('/prometheus/api/v1/rules');
    return (JSON.parse(text) as RuleAnswer).data.groups.find((group) => group.name === name);
  }

  async function brokenState(): Promise<unknown> {
    return (await groupOf('shop'))?.rules[1]?.['state'];
  }

  test('a recorded series arrives with its value, its labels and each sample once', async () => {
    await push('broken 1', 'broken 2', 'broken 3', 'mended 1');
    const series = await server.eventually(async () => {
      const [first] = await stored('app:broken:count');
      return first?.values.filter(([, value]) => value === '3').length >= 5 ? first : undefined;
    });
    expect(series.metric).toEqual({ __name__: 'app:broken:count', app: 'shop', team: 'shop' });
    const times = series.values.map(([second]) => second);
    for (let i = 1; i < times.length; i++) expect(times[i] - times[i - 1]).toBeCloseTo(1, 2);
  });

  test('an alert waits for its `for`, fires once, and is sent again and again', async () => {
    const alert = await server.eventually(async () => (await alertsOf('Broken'))[0]);
    const rule = (await groupOf('shop'))!.rules[1] as { alerts: { activeAt: string }[] };
    const waitedMs = Date.parse(alert.startsAt) - Date.parse(rule.alerts[0].activeAt);
    expect(waitedMs).toBeGreaterThanOrEqual(3000);
    expect(waitedMs).toBeLessThan(60_000);
    expect(alert).toMatchObject({
      labels: { alertname: 'Broken', app: 'shop', cluster: 'c1', severity: 'page' },
      annotations: { summary: '3 broken in shop' },
      status: { state: 'active' },
    });
    expect(alert.generatorURL).toContain('http://loki.example');
    expect(Date.parse(alert.endsAt)).toBeGreaterThan(Date.now());
    const again = await server.eventually(async () => {
      const [next] = await alertsOf('Broken');
      return next.updatedAt > alert.updatedAt ? next : undefined;
    });
    expect(again.startsAt).toBe(alert.startsAt);
    expect(Date.parse(again.endsAt)).toBeGreaterThan(Date.parse(alert.endsAt));
    await server.eventually(async () => (webhook.statusesOf('Broken').length > 0 ? true : undefined));
    expect(webhook.statusesOf('Broken')).toEqual(['firing']);
    expect(await alertsOf('Common')).toEqual([]);
  });

  test('killed while it fires, it goes on as the same alert', async () => {
    const [before] = await alertsOf('Broken');
    await server.stop('SIGKILL');
    await server.start();
    const after = await server.eventually(async () => {
      const [next] = await alertsOf('Broken');
      return next && next.updatedAt > before.updatedAt && (await brokenState()) === 'firing'
        ? next
        : undefined;
    });
    expect(after.startsAt).toBe(before.startsAt);
    expect(webhook.statusesOf('Broken')).toEqual(['firing']);
  });

  test('while Prometheus is away samples wait on disk, over kill -9, and none is lost or doubled', async () => {
    await prometheus.stop();
    const awayFrom = Date.now() / 1000;
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await server.stop('SIGKILL');
    const killedAt = Date.now() / 1000;
    await server.start();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const backAt = Date.now() / 1000;
    await prometheus.start();
    const times = await server.eventually(async () => {
      const [series] = await stored('app:broken:count');
      const seconds = series?.values.map(([second]) => second) ?? [];
      return seconds.some((second) => second > backAt + 1) ? seconds : undefined;
    });
    // One a second until the kill; the last two may not have been evaluated any more.
    const whileAway = times.filter((second) => second > awayFrom && second < killedAt - 2);
    expect(whileAway.length).toBeGreaterThanOrEqual(1);
    const before = times.filter((second) => second < killedAt - 2);
    for (let i = 1; i < before.length; i++) {
      // The restart of the test before this one left a gap of its own.
      if (before[i - 1] > awayFrom - 1) expect(before[i] - before[i - 1]).toBeCloseTo(1, 2);
    }
    expect(new Set(times).size).toBe(times.length);
    const { text } = await server.get('/metrics');
    for (const [, dropped] of text.matchAll(/remote_storage_samples_(?:dropped|failed)_total\S* (\d+)/g)) {
      expect(dropped).toBe('0');
    }
  });

  test('a cured alert resolves, and its receivers are notified', async () => {
    await push('mended 2', 'mended 3', 'mended 4');
    await server.eventually(async () =>
      webhook.statusesOf('Broken').includes('resolved') ? true : undefined,
    );
    expect(webhook.statusesOf('Broken')).toEqual(['firing', 'resolved']);
    expect(await brokenState()).toBe('inactive');
    expect((await alertsOf('Broken')).filter(({ status }) => status.state === 'active')).toEqual([]);
  });

  test('the rules API has what that of Prometheus has, of the same rules', async () => {
    const theirs = (await prometheus.get<RuleAnswer>('/api/v1/rules')).data.groups[0];
    const ours = (await groupOf('common'))!;
    expect(missing(theirs, ours)).toEqual([]);
    const alerts = await prometheus.get<{ data: { alerts: object[] } }>('/api/v1/alerts');
    const { text } = await server.get('/prometheus/api/v1/alerts');
    const ourAlerts = (JSON.parse(text) as { data: { alerts: { labels: Record<string, string> }[] } }).data
      .alerts;
    const common = ourAlerts.filter(({ labels }) => labels['alertname'] === 'Common');
    expect(missing(alerts.data.alerts, common)).toEqual([]);
  });

  test('promtool takes the groups that the config API gives', async () => {
    const { text } = await server.get('/loki/api/v1/rules/ns/common');
    const file = path.join(directory, 'given.yml');
    fs.writeFileSync(file, `groups:\n- ${text.trimEnd().replaceAll('\n', '\n  ')}\n`);
    expect(execFileSync(promtool, ['check', 'rules', file]).toString()).toContain('SUCCESS: 2 rules found');
  });
}

/**
 * Members of `theirs`, at any depth, that `ours` lacks or has of another type; but for labels, which differ
 * here, and `keepFiringFor`, which Loki does not show.
 */
function missing(theirs: unknown, ours: unknown, place = ''): string[] {
  if (Array.isArray(theirs)) {
    if (!Array.isArray(ours) || ours.length !== theirs.length) return [`${place}: not as many`];
    return theirs.flatMap((each, i) => missing(each, (ours as unknown[])[i], `${place}[${i}]`));
  }
  if (typeof theirs !== 'object' || theirs === null) return typeof theirs === typeof ours ? [] : [place];
  const own = new Map(Object.entries(ours ?? {}));
  const members = Object.entries(theirs).filter(([name]) => name !== 'labels' && name !== 'keepFiringFor');
  return members.flatMap(([name, value]) => missing(value, own.get(name), `${place}.${name}`));
}
