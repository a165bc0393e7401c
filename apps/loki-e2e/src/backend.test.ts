/**
 * Protects compactors and rulers as processes of their own: they share their work, and take over the work of
 * a killed one.
 */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { eventually, freePort } from '@loki/test-tools';
import { TestServer } from './test/server.ts';

/** The alerts that an Alertmanager receives, in the order of arrival. */
class Receiver {
  readonly alerts: { readonly labels: Record<string, string>; readonly startsAt: string }[] = [];
  readonly #server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      this.alerts.push(...(JSON.parse(Buffer.concat(chunks).toString()) as Receiver['alerts']));
      response.end();
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const acme = { 'x-scope-orgid': 'acme' };
const receiver = new Receiver();
let directory: string;
const started: TestServer[] = [];
let gateway: TestServer;
let compactors: TestServer[];
let rulers: TestServer[];

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-backend-'));
  const [port, alerts] = [await freePort(), await receiver.start()];
  const file = path.join(directory, 'loki.yaml');
  // The process that answers at this port keeps the rings: -target=write.
  fs.writeFileSync(
    file,
    `common:
  ring: {kvstore: {store: memberlist}, instance_addr: 127.0.0.1, heartbeat_period: 1s, heartbeat_timeout: 10s}
  storage: {filesystem: {chunks_directory: ${directory}/store, rules_directory: ${directory}/rules}}
memberlist: {join_members: ['127.0.0.1:${port}']}
compactor: {retention_enabled: true, delete_request_store: filesystem, compaction_interval: 1s}
ruler:
  enable_sharding: true
  alertmanager_url: ${alerts}
  ring: {heartbeat_period: 1s}
  resend_delay: 10m
worker_pool: {threads: 1}
`,
  );
  const flags = (id: string) => [
    `-config.file=${file}`,
    '-server.grpc-listen-address=127.0.0.1',
    `-ingester.lifecycler.ID=${id}`,
  ];
  const start = async (id: string, app: string, ...more: string[]): Promise<TestServer> => {
    const server = await TestServer.start([...flags(id), ...more], { app });
    started.push(server);
    return server;
  };
  await start('writer', 'loki', '-target=write,querier', `-server.grpc-listen-port=${port}`);
  gateway = await start('gateway', 'gateway');
  const backend = await start('backend', 'loki', '-target=backend');
  compactors = [await start('compactor', 'compactor'), backend];
  // One has its rules evaluated by the gateway, the other reads ingester and store itself.
  rulers = [await start('ruler', 'ruler', '-ruler.evaluation.mode=remote'), backend];
});

afterAll(async () => {
  await Promise.all(started.map((each) => each.dispose()));
  receiver.stop();
  fs.rmSync(directory, { recursive: true, force: true });
});

interface Shard {
  readonly id: string;
  readonly state: string;
  readonly tokens: readonly number[];
}

async function ringOf(server: TestServer, ring: string): Promise<string[]> {
  const { text } = await server.get(`/${ring}/ring`, { accept: 'application/json' });
  const { shards } = JSON.parse(text) as { shards: Shard[] };
  return shards.map(({ id, state, tokens }) => `${id} ${state} ${tokens.length}`);
}

async function metricOf(server: TestServer, name: string): Promise<number | undefined> {
  const { text } = await server.get('/metrics');
  const line = text.split('\n').find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}

test('everybody shows the same rings', async () => {
  const expected = ['backend ACTIVE 128', 'compactor ACTIVE 128'];
  await eventually(async () => {
    for (const server of [...compactors, gateway]) {
      if (String(await ringOf(server, 'compactor')) !== String(expected)) return false;
    }
    return (await ringOf(rulers[0], 'ruler')).length >= 2 && (await ringOf(gateway, 'ruler')).length >= 2;
  });
  const { text } = await gateway.get('/ruler/ring');
  expect(text).toContain('<h1>Ruler Ring Status</h1>');
});

test('compactors run, and one of them is the one that sweeps', async () => {
  await eventually(async () => {
    const running = await Promise.all(
      compactors.map((each) => metricOf(each, 'loki_boltdb_shipper_compactor_running')),
    );
    const rounds = await Promise.all(
      compactors.map((each) =>
        metricOf(each, 'loki_boltdb_shipper_compact_tables_operation_total{status="success"}'),
      ),
    );
    return running.includes(0) && running.includes(1) && rounds.every((count) => (count ?? 0) > 0);
  });
});

test('a delete through the gateway hides lines at once, whichever compactor is asked', async () => {
  await push('deleted', ['keep this', 'drop this']);
  const search = new URLSearchParams({
    query: '{app="deleted"} |= "drop"',
    start: String(Math.floor(Date.now() / 1000) - 600),
  }).toString();
  const created = await fetch(`${gateway.url}/loki/api/v1/delete?${search}`, {
    method: 'POST',
    headers: acme,
  });
  expect(created.status).toBe(204);
  const id = created.headers.get('x-delete-request-id');
  expect(id).toMatch(/^[0-9a-f]{8}$/);
  for (const server of [gateway, ...compactors]) {
    await eventually(async () => {
      const { status, text } = await server.get('/loki/api/v1/delete', acme);
      expect(status).toBe(200);
      return text.includes(id!);
    });
  }
  await eventually(async () => String(await query('{app="deleted"}')) === 'keep this');
  // Refusals come back as the compactor says them.
  const refused = await fetch(`${gateway.url}/loki/api/v1/delete`, { method: 'POST', headers: acme });
  expect([refused.status, await refused.text()]).toEqual([400, 'query not set\n']);
  expect((await gateway.get('/loki/api/v1/delete')).status).toBe(401);
  const gone = await fetch(`${gateway.url}/loki/api/v1/delete?request_id=${id}`, {
    method: 'DELETE',
    headers: acme,
  });
  expect(gone.status).toBe(204);
});

interface ShownRule {
  readonly name: string;
  readonly health: string;
  readonly alerts: readonly { readonly activeAt: string; readonly state: string }[];
}

async function rules(server: TestServer): Promise<ShownRule[]> {
  const { status, text } = await server.get('/prometheus/api/v1/rules', acme);
  if (status !== 200) throw new Error(`${status} ${text}`);
  const { data } = JSON.parse(text) as { data: { groups: { rules: ShownRule[] }[] } };
  return data.groups.flatMap((group) => group.rules);
}

const groups = Array.from({ length: 8 }, (_, i) => `group-${i}`);

test('rulers share groups, evaluate them here or by a query frontend, and any of them tells of all', async () => {
  await push('shop', ['an error', 'all is well']);
  for (const name of groups) {
    const created = await fetch(`${gateway.url}/loki/api/v1/rules/ns`, {
      method: 'POST',
      headers: { ...acme, 'content-type': 'application/yaml' },
      body: `name: ${name}
interval: 1s
rules:
- alert: ${name}
  expr: sum by (app) (count_over_time({app="shop"} |= "error" [10m])) > 0
`,
    });
    expect(created.status).toBe(202);
  }
  await eventually(async () => {
    const all = await rules(gateway);
    return (
      all.length === groups.length && all.every((rule) => rule.health === 'ok' && rule.alerts.length >= 1)
    );
  });
  for (const server of rulers) expect((await rules(server)).map(({ name }) => name).sort()).toEqual(groups);
  const shares = await Promise.all(
    rulers.map(async (server) => {
      const { text } = await server.get('/metrics');
      return [
        ...text.matchAll(/loki_prometheus_rule_group_rules\{user="acme",rule_group="[^"]*;(group-\d)"\}/g),
      ]
        .map(([, name]) => name)
        .sort();
    }),
  );
  expect(shares.flat().sort()).toEqual(groups);
  expect(Math.min(...shares.map((share) => share.length))).toBeGreaterThan(0);
  await eventually(
    () => new Set(receiver.alerts.map(({ labels }) => labels['alertname'])).size === groups.length,
  );
});

test('a killed ruler’s alerts are shown, go on elsewhere, and are not told twice', async () => {
  const before = await rules(gateway);
  const told = receiver.alerts.length;
  await rulers[0].stop('SIGKILL');
  // While the ring still counts it in.
  const shown = await rules(rulers[1]);
  expect(shown.map(({ name }) => name).sort()).toEqual(groups);
  const activeAt = (all: ShownRule[]) => new Map(all.map(({ name, alerts }) => [name, alerts[0]?.activeAt]));
  expect(activeAt(shown)).toEqual(activeAt(before));
  await eventually(async () => {
    const all = await rules(rulers[1]).catch(() => []);
    const { text } = await rulers[1].get('/metrics');
    const count = text.match(/^loki_prometheus_rule_group_rules\{/gm)?.length;
    return (
      count === groups.length && all.length === groups.length && all.every(({ health }) => health === 'ok')
    );
  });
  const after = await rules(rulers[1]);
  for (const [name, time] of activeAt(before)) {
    // Kept to the moment, or moved by the ticks that no ruler evaluated: never begun anew.
    expect(Date.parse(activeAt(after).get(name)!) - Date.parse(time)).toBeLessThan(1_000);
  }
  expect(after.every(({ alerts }) => alerts[0].state === 'firing')).toBe(true);
  // None is due again for ten minutes.
  expect(receiver.alerts.length - told).toBe(0);
});

test('a killed compactor’s part goes to the other', async () => {
  await compactors[1].stop('SIGKILL');
  await eventually(async () => (await ringOf(compactors[0], 'compactor'))[0].startsWith('backend UNHEALTHY'));
  await eventually(
    async () => Number(await metricOf(compactors[0], 'loki_boltdb_shipper_compactor_running')) >= 1,
  );
  expect((await gateway.get('/loki/api/v1/delete', acme)).status).toBe(200);
});

test('the last one ends when it is told to, and nobody answers for it', async () => {
  expect(await compactors[0].stop()).toBe(0);
  await eventually(async () => (await gateway.get('/loki/api/v1/delete', acme)).status === 503);
});

async function push(app: string, lines: readonly string[]): Promise<void> {
  const now = BigInt(Date.now()) * 1_000_000n;
  const values = lines.map((line, i) => [String(now + BigInt(i)), line]);
  const body = { streams: [{ stream: { app }, values }] };
  expect(await gateway.push(body, acme)).toEqual({ status: 204, text: '' });
}

async function query(expr: string): Promise<string[]> {
  const search = new URLSearchParams({ query: expr }).toString();
  const { status, text } = await gateway.get(`/loki/api/v1/query_range?${search}`, acme);
  if (status !== 200) throw new Error(`${status} ${text}`);
  const { data } = JSON.parse(text) as { data: { result: { values: [string, string][] }[] } };
  return data.result.flatMap(({ values }) => values.map(([, line]) => line)).sort();
}
