/**
 * Protects deploy/compose as far as it can run without its images: every process of ours is started by the
 * command and the configuration of its service, on real Kafka, Redis and MinIO where the file names them, and
 * passes its health check; Prometheus' targets have metrics; Grafana's data sources are healthy, and each
 * dashboard over lines shows those of its tenant, through the gateway. Names of hosts become addresses of
 * this machine, and ports are free ones.
 */
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import YAML from 'yaml';
import { Daemon, startServices } from '@loki/services';
import type { Services } from '@loki/services';
import { DashboardClient, freePorts } from '@loki/test-tools';
import { root, temporaryDirectory } from './test/charts.ts';
import { configFile, ownServices, readCompose } from './test/compose.ts';

type Source = ConstructorParameters<typeof DashboardClient>[0]['source'] & { readonly type: string };
type DashboardFile = Parameters<DashboardClient['draw']>[0];

jest.setTimeout(400_000);
const run = promisify(execFile);
const node = [process.execPath, '--disable-warning=ExperimentalWarning'];
const metricsPort = 3101;

interface Started {
  readonly daemon: Daemon;
  readonly http: number;
  readonly admin: number;
}

interface Place {
  readonly directory: string;
  /** Addresses on this machine, by names of hosts with their ports. */
  readonly addresses: ReadonlyMap<string, string>;
  readonly env: Readonly<Record<string, string>>;
}

/** Starts all processes of ours that a file names, at once: compose orders none of them. */
async function startAll(file: string, { directory, addresses, env }: Place): Promise<Map<string, Started>> {
  const started = new Map<string, Started>();
  for (const [name, service] of ownServices(file)) {
    const own = path.join(directory, name);
    fs.mkdirSync(own);
    let config = fs.readFileSync(configFile(service), 'utf8').replaceAll('/var/loki', own);
    for (const [from, to] of addresses) config = config.replaceAll(from, to);
    fs.writeFileSync(path.join(own, 'loki.yaml'), config);
    const [app, ...flags] = service.command!.map((each) => each.replace('/etc/loki', own));
    const [http, grpc, adminPort] = await freePorts(3);
    const hasAdmin = config.includes(`admin_listen_port: ${metricsPort}`);
    const place = [
      `-server.http-listen-port=${http}`,
      `-server.grpc-listen-port=${grpc}`,
      ...(hasAdmin ? [`-server.admin-listen-port=${adminPort}`] : []),
      '-common.storage.ring.instance-addr=127.0.0.1',
      ...(service.hostname === undefined ? [] : [`-common.storage.ring.instance-id=${service.hostname}`]),
    ];
    const command = [...node, 'apps/loki/src/main.ts', `-target=${app}`, ...flags, ...place];
    const options = { directory: root, env: { ...env, NODE_OPTIONS: '' } };
    const daemon = new Daemon(name, path.join(own, 'log'), command, options);
    daemon.launch();
    started.set(name, { daemon, http, admin: hasAdmin ? adminPort : http });
  }
  return started;
}

/** The health check of each service, on the ports that it has here. */
async function waitHealthy(file: string, started: ReadonlyMap<string, Started>): Promise<void> {
  for (const [name, { healthcheck }] of ownServices(file)) {
    const { daemon, http, admin } = started.get(name)!;
    const [kind, program, main, app, ...rest] = healthcheck!.test;
    expect([kind, program, main, app]).toEqual([
      'CMD',
      '/usr/bin/node',
      '/usr/share/loki/main.js',
      'lokictl',
    ]);
    const args = rest.map((each) => each.replace(/:3101$/, `:${admin}`).replace(/:3100$/, `:${http}`));
    const check = [...node, 'apps/lokictl/src/main.ts', ...args];
    await daemon.waitUntil(() =>
      run(check[0], check.slice(1), { cwd: root, env: { ...process.env, NODE_OPTIONS: '' } }).then(
        () => true,
        () => false,
      ),
    );
  }
}

/** Each of Prometheus' targets is a process here, and answers with metrics; promtool takes the file. */
async function expectTargets(file: string, started: ReadonlyMap<string, Started>, directory: string) {
  const text = readCompose(`config/${file}`);
  const { scrape_configs: jobs } = YAML.parse(text) as {
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  };
  const targets = jobs.flatMap(({ static_configs: configs }) => configs.flatMap((each) => each.targets));
  expect(targets.map((target) => target.split(':')[0]).sort()).toEqual([...started.keys()].sort());
  for (const target of targets) {
    const [name, port] = target.split(':');
    const { http, admin } = started.get(name)!;
    const answer = await fetch(`http://127.0.0.1:${port === String(metricsPort) ? admin : http}/metrics`);
    expect([target, answer.status]).toEqual([target, 200]);
    expect(await answer.text()).toContain('loki_build_info');
  }
  if (!fs.existsSync('/usr/bin/promtool')) return;
  const here = path.join(directory, file);
  fs.writeFileSync(
    here,
    text.replace('/etc/prometheus/mixin/*.yaml', path.join(root, 'deploy/mixin/*.yaml')),
  );
  expect(execFileSync('promtool', ['check', 'config', here], { encoding: 'utf8' })).toContain(
    '2 rule files found',
  );
}

/** Lines of all four tenants go in, as Vector sends them; each data source shows its own. */
async function expectTenants(http: number): Promise<void> {
  const url = `http://127.0.0.1:${http}`;
  const { datasources } = YAML.parse(readCompose('config/datasources.yaml')) as { datasources: Source[] };
  const sources = datasources.filter(({ type }) => type === 'loki');
  expect(sources).toHaveLength(4);
  const endMs = Date.now() + 180_000;
  const dashboards = overLines();
  for (const { uid } of sources) {
    const names = dashboards.get(uid)!.templating.list.filter(({ type }) => type === 'query');
    const stream = Object.fromEntries(names.map(({ name }) => [name, 'the same for all']));
    const values = Array.from({ length: 30 }, (_, i) => [
      `${Date.now()}${String(i).padStart(6, '0')}`,
      `${i} of ${uid}`,
    ]);
    const body = JSON.stringify({ streams: [{ stream, values }] });
    const headers = { 'content-type': 'application/json', 'x-scope-orgid': uid };
    const { status } = await fetch(`${url}/loki/api/v1/push`, { method: 'POST', headers, body });
    expect([uid, status]).toEqual([uid, 204]);
  }
  for (const source of sources) {
    const client = new DashboardClient({ url, source, startMs: endMs - 3_600_000, endMs });
    expect([source.uid, await client.health()]).toEqual([source.uid, '2']);
    const panels = await client.draw(dashboards.get(source.uid)!);
    const lines = panels.flatMap((panel) => panel.lines);
    expect([source.uid, lines.length]).toEqual([source.uid, 30]);
    for (const line of lines) expect(line).toContain(` of ${source.uid}`);
    const counts = panels.flatMap(({ curves }) => [...curves.values()]);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(30);
  }
}

/** Dashboards by the data source that they begin with. */
function overLines(): Map<string, DashboardFile> {
  const directory = path.join(root, 'deploy/mixin/dashboards');
  const found = new Map<string, DashboardFile>();
  for (const file of fs.readdirSync(directory)) {
    const dashboard = JSON.parse(fs.readFileSync(path.join(directory, file), 'utf8')) as DashboardFile;
    const first = dashboard.templating.list.find(({ type }) => type === 'datasource')?.current?.value;
    if (first) found.set(first, dashboard);
  }
  return found;
}

let directory: string;
let started: Map<string, Started>;
let services: Services | undefined;

beforeEach(() => {
  directory = temporaryDirectory();
  started = new Map();
});
afterEach(async () => {
  await Promise.all([...started.values()].map(({ daemon }) => daemon.stop('SIGKILL')));
  await services?.stop();
  services = undefined;
  fs.rmSync(directory, { recursive: true, force: true });
});

test('compose.yaml: the process is healthy, and is what Grafana and Prometheus ask', async () => {
  started = await startAll('compose.yaml', { directory, addresses: new Map(), env: {} });
  await waitHealthy('compose.yaml', started);
  await expectTenants(started.get('gateway')!.http);
  await expectTargets('prometheus.yaml', started, directory);
});

test('compose.distributed.yaml: every component is healthy, and the gateway answers Grafana', async () => {
  services = await startServices({
    directory: path.join(directory, 'services'),
    names: new Set(['kafka', 'redis', 's3']),
    brokers: 1,
    say: (text) => console.log(text),
  });
  const { kafka, redis, s3 } = services;
  if (!kafka || !redis || !s3) {
    console.log('skipped: compose.distributed.yaml, which takes Kafka, Redis and MinIO');
    return;
  }
  started = await startAll('compose.distributed.yaml', {
    directory,
    addresses: new Map([
      ['kafka:9092', kafka],
      ['redis:6379', redis],
      ['http://minio:9000', s3.endpoint],
    ]),
    env: { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey },
  });
  await waitHealthy('compose.distributed.yaml', started);
  await expectTenants(started.get('gateway')!.http);
  await expectTargets('prometheus.distributed.yaml', started, directory);
});
