/**
 * Protects the configuration that the chart writes: the real process of each component starts with it, knows
 * every key, answers the probes of its pod, and says what it misses where the services of the cluster are
 * not.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { eventually, freePorts } from '@loki/test-tools';
import {
  charts,
  dataSourcesOf,
  objectNamed,
  podsOf,
  render,
  root,
  temporaryDirectory,
  testWith,
} from './test/charts.ts';
import type { KubeObject, RenderOptions } from './test/charts.ts';

const components = ['gateway', 'distributor', 'ingester', 'querier', 'compactor', 'ruler'] as const;

/** What a process says of services that are not there. */
const missing = /the object store: bucket \S+ at loki-minio:9000|Redis, which keeps the rings/;

let child: ChildProcess | undefined;
let directory: string;

beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => {
  child?.kill('SIGKILL');
  fs.rmSync(directory, { recursive: true, force: true });
});

interface Started {
  readonly ports: Readonly<Record<'http' | 'grpc' | 'http-metrics', number>>;
  readonly container: KubeObject;
  readonly log: () => string;
}

/** Starts what the pod of a workload would, with its mounts in a directory of this machine and free ports. */
async function start(options: RenderOptions, workload: string): Promise<Started> {
  const objects = render(options);
  const found = podsOf(objects).find(({ object }) => object.metadata.name === workload)!;
  const container = found.pod.spec.containers[0] as KubeObject;
  const here = (text: string) => text.replaceAll(/\/(?:etc|var)\/loki/g, (place) => directory + place);
  for (const { name, configMap } of found.pod.spec.volumes as KubeObject[]) {
    if (!configMap) continue;
    const mount = container.volumeMounts.find((each: KubeObject) => each.name === name).mountPath as string;
    fs.mkdirSync(directory + mount, { recursive: true });
    for (const [file, text] of Object.entries(objectNamed(objects, 'ConfigMap', configMap.name).data)) {
      fs.writeFileSync(path.join(directory + mount, file), here(text as string));
    }
  }
  const [http, grpc, metrics] = await freePorts(3);
  const log = path.join(directory, 'log');
  const output = fs.openSync(log, 'a');
  child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      'apps/loki/src/main.ts',
      ...(container.args as string[]).map((arg) => here(arg).replace('$(LOKI_ZONE)', 'node-1')),
      `-server.http-listen-port=${http}`,
      `-server.grpc-listen-port=${grpc}`,
      `-server.admin-listen-port=${metrics}`,
    ],
    {
      cwd: root,
      stdio: ['ignore', output, output],
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        AWS_ACCESS_KEY_ID: 'a',
        AWS_SECRET_ACCESS_KEY: 'b',
        REDIS_PASSWORD: 'c',
      },
    },
  );
  fs.closeSync(output);
  return {
    ports: { http, grpc, 'http-metrics': metrics },
    container,
    log: () => fs.readFileSync(log, 'utf8'),
  };
}

async function probe({ ports, container }: Started, name: string): Promise<{ status: number; text: string }> {
  const { port, path: at } = container[name].httpGet as { port: keyof Started['ports']; path: string };
  const response = await fetch(`http://127.0.0.1:${ports[port]}${at}`);
  return { status: response.status, text: await response.text() };
}

testWith('helm4').each(components)('%s lives, and says what it waits for', async (component) => {
  const started = await start({}, `loki-${component}`);
  const told = () => started.log();
  const alive = await eventually(() => probe(started, 'startupProbe'), { told });
  expect(alive.status).toBe(200);
  expect((await probe(started, 'livenessProbe')).status).toBe(200);
  await eventually(async () => missing.test((await probe(started, 'readinessProbe')).text), { told });
  expect((await probe(started, 'readinessProbe')).status).toBe(503);
  // A key that the process does not use would be one that the chart writes for nothing.
  expect(started.log()).not.toMatch(/no effect|level=warn.*config/);
});

testWith('helm4').each(components)('%s starts with a configuration of its own', async (component) => {
  const values = { [component]: { config: { server: { log_level: 'debug' } } } };
  const started = await start({ files: ['external'], values }, `loki-${component}`);
  expect(started.container.args).toContain(`-config.file=/etc/loki/config/${component}.yaml`);
  await eventually(() => probe(started, 'startupProbe'), { told: () => started.log() });
  const config = await (await fetch(`http://127.0.0.1:${started.ports['http-metrics']}/config`)).text();
  expect(config).toMatch(/log_level: debug/);
  expect(config).toMatch(/kafka_tls_enabled: true/);
});

testWith('helm4')(
  'mode single is ready, takes a line of a tenant, gives it back, and ends at SIGTERM with 0',
  async () => {
    const started = await start({ files: ['single'] }, 'loki-single');
    const told = () => started.log();
    await eventually(async () => (await probe(started, 'readinessProbe')).status === 200, { told });
    const url = `http://127.0.0.1:${started.ports.http}`;
    const headers = { 'content-type': 'application/json', 'x-scope-orgid': 'whizard-logs-ks' };
    const body = JSON.stringify({
      streams: [{ stream: { app: 'chart' }, values: [[`${Date.now()}000000`, 'a line']] }],
    });
    expect((await fetch(`${url}/loki/api/v1/push`, { method: 'POST', headers, body })).status).toBe(204);
    const query = `${url}/loki/api/v1/query_range?query=${encodeURIComponent('{app="chart"}')}`;
    expect(await (await fetch(query, { headers })).text()).toContain('a line');
    // Grafana's own question, by which it says that a data source works.
    for (const { jsonData, secureJsonData } of dataSourcesOf(render({ chart: charts.grafana }))) {
      const tenant = { [jsonData.httpHeaderName1]: secureJsonData.httpHeaderValue1 };
      const health = await fetch(
        `${url}/loki/api/v1/query?query=${encodeURIComponent('vector(1)+vector(1)')}`,
        { headers: tenant },
      );
      expect([tenant, health.status, await health.text()]).toEqual([
        tenant,
        200,
        expect.stringContaining('"2"'),
      ]);
    }
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    expect((await fetch(`${url}/metrics`)).status).toBe(404);
    expect(started.log()).not.toMatch(/no effect/);
    child!.kill('SIGTERM');
    expect(await new Promise((resolve) => child!.once('exit', resolve))).toBe(0);
  },
);
