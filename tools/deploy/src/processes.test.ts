/**
 * Protects the configuration that the chart writes: the real process of each component starts with it, knows
 * every key, answers the probes of its pod, and says what it misses where the services of the cluster are
 * not.
 */
import fs from 'node:fs';
import { eventually } from '@loki/test-tools';
import { charts, dataSourcesOf, render, temporaryDirectory, testWith } from './test/charts.ts';
import type { RenderOptions } from './test/charts.ts';
import { ComponentProcess } from './test/component-process.ts';

const components = ['gateway', 'distributor', 'ingester', 'querier', 'compactor', 'ruler'] as const;

/** Log lines of a process about services that it cannot reach. */
const missing = /the object store: bucket \S+ at loki-minio:9000|Redis, which keeps the rings/;

let running: ComponentProcess | undefined;
let directory: string;

beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  await running?.stop('SIGKILL');
  running = undefined;
  fs.rmSync(directory, { recursive: true, force: true });
});

const env = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', REDIS_PASSWORD: 'c' };

async function start(options: RenderOptions, workload: string): Promise<ComponentProcess> {
  return (running = await ComponentProcess.start({ objects: render(options), workload, directory, env }));
}

testWith('helm4').each(components)('%s lives, and says what it waits for', async (component) => {
  const started = await start({}, `loki-${component}`);
  const told = () => started.log();
  const alive = await eventually(() => started.probe('startupProbe'), { details: told });
  expect(alive.status).toBe(200);
  expect((await started.probe('livenessProbe')).status).toBe(200);
  await eventually(async () => missing.test((await started.probe('readinessProbe')).text), { details: told });
  expect((await started.probe('readinessProbe')).status).toBe(503);
  // A key that the process does not use would be one that the chart writes for nothing.
  expect(started.log()).not.toMatch(/no effect|level=warn.*config/);
});

testWith('helm4').each(components)('%s starts with a configuration of its own', async (component) => {
  const values = { [component]: { config: { server: { log_level: 'debug' } } } };
  const started = await start({ files: ['external'], values }, `loki-${component}`);
  expect(started.container.args).toContain(`-config.file=/etc/loki/config/${component}.yaml`);
  await eventually(() => started.probe('startupProbe'), { details: () => started.log() });
  const config = await (await fetch(`http://127.0.0.1:${started.ports['http-metrics']}/config`)).text();
  expect(config).toMatch(/log_level: debug/);
  expect(config).toMatch(/kafka_tls_enabled: true/);
});

testWith('helm4')(
  'mode single is ready, takes a line of a tenant, gives it back, and ends at SIGTERM with 0',
  async () => {
    const started = await start({ files: ['single'] }, 'loki-single');
    const told = () => started.log();
    await eventually(async () => (await started.probe('readinessProbe')).status === 200, { details: told });
    const { url } = started;
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
    expect(await started.stop()).toBe(0);
  },
);
