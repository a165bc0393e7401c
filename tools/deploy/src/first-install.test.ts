/**
 * Protects the first installation, with the services that the chart brings: Kafka, Redis and MinIO start by
 * the commands, environment and ports of their containers, pass their probes, and every component starts on
 * them with the chart's own configuration. The programs are this machine's: the images themselves are not
 * here, and what is in them beside these programs is not proved.
 */
import fs from 'node:fs';
import path from 'node:path';
import { findMinio, findRedis, kafkaLacks, servicesCache } from '@loki/services';
import { eventually, freePorts } from '@loki/test-tools';
import { configOf, objectNamed, programs, render, temporaryDirectory } from './test/charts.ts';
import { ComponentProcess } from './test/component-process.ts';
import { programsOf, secretsOf, ServiceProcess } from './test/service-process.ts';
import type { ServiceName } from './test/service-process.ts';

const redis = findRedis();
const minio = findMinio(servicesCache);
const lacks = [
  ...(programs.helm4.missing === '' ? [] : [`Helm: ${programs.helm4.missing}`]),
  ...(redis ? [] : ['redis-server']),
  ...(minio ? [] : ['minio']),
  ...[kafkaLacks(servicesCache)].filter((lack) => lack !== undefined),
];
const components = ['ingester', 'distributor', 'compactor', 'querier', 'ruler', 'gateway'] as const;
/** Ingesters are as many as the chart has: each record is read by three. */
const ingesterCount = 3;
const names: readonly ServiceName[] = ['kafka', 'redis', 'minio'];
const portsOf = { kafka: 9092, redis: 6379, minio: 9000 } as const;

if (lacks.length > 0) {
  test.skip(`skipped: the first installation: it takes ${lacks.join(', ')}`, () => undefined);
} else {
  jest.setTimeout(400_000);
  // A password of any characters: Redis reads its configuration by words, and ours is YAML.
  const objects = render({
    values: { ruler: { replicas: 1 }, redis: { password: `it's: "a" #1 \\ $HOME` } },
  });
  const directory = temporaryDirectory();
  const services = new Map<ServiceName, ServiceProcess>();
  const processes: ComponentProcess[] = [];
  const addresses = new Map<string, string>();

  beforeAll(async () => {
    const inPath = programsOf(path.join(directory, 'programs'), {
      'redis-server': redis!,
      'redis-cli': path.join(path.dirname(redis!), 'redis-cli'),
      minio: minio!,
    });
    const ports = await freePorts(names.length + 1);
    const controllerPort = ports.pop()!;
    for (const [i, name] of names.entries()) {
      addresses.set(`loki-${name}:${portsOf[name]}`, `127.0.0.1:${ports[i]}`);
      const options = { objects, name, port: ports[i], controllerPort, programs: inPath };
      services.set(name, new ServiceProcess({ ...options, directory: path.join(directory, name) }));
    }
  });
  afterAll(async () => {
    await Promise.all(processes.map((each) => each.stop('SIGKILL')));
    await Promise.all([...services.values()].map((each) => each.stop()));
    fs.rmSync(directory, { recursive: true, force: true });
  });

  test.each(names)('%s starts by its command and passes its probes', async (name) => {
    const service = services.get(name)!;
    const told = () => service.log();
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
      await eventually(() => service.passes(probe), { withinMs: 120_000, everyMs: 250, details: told });
    }
  });

  test('every component is ready on them, and a line goes in and out through the gateway', async () => {
    for (const component of components) {
      const workload = `loki-${component}`;
      const kind = ['ingester', 'compactor'].includes(component) ? 'StatefulSet' : 'Deployment';
      const env = secretsOf(objects, objectNamed(objects, kind, workload));
      for (let i = 0; i < (component === 'ingester' ? ingesterCount : 1); i++) {
        const own = path.join(directory, `${component}-${i}`);
        fs.mkdirSync(own);
        const flags = [
          `-common.storage.ring.instance-id=${component}-${i}`,
          '-common.storage.ring.instance-addr=127.0.0.1',
        ];
        processes.push(
          await ComponentProcess.start({ objects, workload, directory: own, env, flags, addresses }),
        );
      }
    }
    for (const each of processes) {
      const told = () => each.log();
      await eventually(async () => (await each.probe('readinessProbe')).status === 200, {
        withinMs: 120_000,
        details: told,
      });
      expect(each.log()).not.toMatch(/no effect/);
    }
    const { url, ports } = processes.at(-1)!;
    const headers = { 'content-type': 'application/json', 'x-scope-orgid': 'whizard-logs-ks' };
    const body = JSON.stringify({
      streams: [{ stream: { app: 'chart' }, values: [[`${Date.now()}000000`, 'a line']] }],
    });
    expect((await fetch(`${url}/loki/api/v1/push`, { method: 'POST', headers, body })).status).toBe(204);
    const query = `${url}/loki/api/v1/query_range?query=${encodeURIComponent('{app="chart"}')}`;
    expect(await (await fetch(query, { headers })).text()).toContain('a line');
    // Into the bucket, which is a directory of the drive.
    expect((await fetch(`http://127.0.0.1:${ports['http-metrics']}/flush`, { method: 'POST' })).status).toBe(
      204,
    );
    const { bucketnames } = configOf(objects).common.storage.s3 as { bucketnames: string };
    const bucket = path.join(directory, 'minio/data', bucketnames);
    expect(
      fs.readdirSync(bucket, { recursive: true }).some((name) => String(name).includes('segments')),
    ).toBe(true);
    expect(await (await fetch(query, { headers })).text()).toContain('a line');
  });

  test('components, then services, end at SIGTERM', async () => {
    const ingesters = processes.slice(0, ingesterCount);
    for (const each of [processes.slice(ingesterCount), ingesters]) {
      expect(await Promise.all(each.map((one) => one.stop()))).toEqual(each.map(() => 0));
    }
    for (const name of names) {
      // Java says 143, as every program does that a signal ends in order.
      expect([name, await services.get(name)!.stop()]).toEqual([name, name === 'kafka' ? 143 : 0]);
    }
  });
}
