/**
 * Measures the separate apps, one by one: CPU seconds and memory while lines are pushed, connections, and
 * requests to Kafka, Redis and S3 for each GB, each query and in idle time. Real services, on this machine.
 *
 *     npm run bench:apps -- --data DIR [--partitions 1,4,16] [--idle-seconds 30] [--bundle dist] [--json FILE]
 *
 * DIR holds a data set of the benchmark harness. The processes run from sources, or from the bundle of
 * `npm run build`, as they do in the image. CPU seconds of the services are not counted.
 */
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endWithUsageError, readOptions } from '@loki/command-line';
import { Cluster, membersOf, memberOf, devCommand } from '@loki/dev-cluster';
import type { AppName } from '@loki/dev-cluster';
import { startServices } from '@loki/services';
import type { Services } from '@loki/services';
import { costsOf } from './app-costs.ts';
import type { AppCosts } from './app-costs.ts';
import { PushBodies } from './push-bodies.ts';
import { readDataSet, storeQueries } from './store-queries.ts';
import type { DataSet } from './store-queries.ts';

const { values: options } = readOptions(import.meta.filename, {
  options: {
    data: { type: 'string' },
    partitions: { type: 'string', default: '1,4,16' },
    'idle-seconds': { type: 'string', default: '30' },
    bundle: { type: 'string', default: '' },
    json: { type: 'string', default: '' },
  },
});
if (options.data === undefined) {
  endWithUsageError('--data DIR, a data set of the benchmark harness, is missing');
}

const counts = { gateway: 1, distributor: 1, ingester: 3, querier: 1, compactor: 1 } as const;
const basePort = 24_100;
/** Pushes on their way at once, as the harness has. */
const pushesAtOnce = 8;
const limits = [
  '-distributor.ingestion-rate-limit-mb=1024',
  '-distributor.ingestion-burst-size-mb=1024',
  '-ingester.per-stream-rate-limit=1GB',
  '-ingester.per-stream-rate-limit-burst=1GB',
  '-ingester.max-global-streams-per-user=0',
  '-querier.max-query-series=100000',
  '-pattern-ingester.enabled=false',
];

/** Requests to services since the start. */
interface Requests {
  readonly kafka: number;
  readonly redis: number;
  readonly s3: number;
}

const set = readDataSet(options.data);
const results: unknown[] = [];
for (const partitions of options.partitions.split(',').map(Number)) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-bench-apps-'));
  try {
    results.push({ partitions, ...(await measure(partitions, directory)) });
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
if (options.json !== '') fs.writeFileSync(options.json, `${JSON.stringify(results, undefined, 2)}\n`);

/** Measures one system with a number of partitions. */
async function measure(partitions: number, directory: string): Promise<Record<string, unknown>> {
  const names = new Set(['kafka', 'redis', 's3'] as const);
  const services = await startServices({ directory, names, brokers: 1, say: console.log });
  const { kafka, redis, s3 } = services;
  if (!kafka || !redis || !s3) {
    await services.stop();
    throw new Error('Kafka, Redis and MinIO are needed');
  }
  const variables = {
    KAFKA_BROKERS: kafka,
    REDIS_ENDPOINT: redis,
    LOKI_OBJECT_STORE: 's3',
    S3_ENDPOINT: s3.endpoint,
    S3_BUCKET: s3.bucket,
    S3_ACCESS_KEY: s3.accessKeyId,
    S3_SECRET_KEY: s3.secretAccessKey,
  };
  const config = path.join(directory, 'loki.yaml');
  const dev = fs.readFileSync(path.join(import.meta.dirname, '../../../deploy/dev/loki.yaml'), 'utf8');
  fs.writeFileSync(config, dev.replace(/partitions: \d+/, `partitions: ${partitions}`));
  const cluster = new Cluster(
    membersOf(counts, (app: AppName, number) => memberOf(app, number, basePort)),
    {
      logDirectory: path.join(directory, 'logs'),
      restarts: false,
      onEnd: (name, reason) => console.error(`${name} ended: ${reason}`),
      command: (member) => {
        const { args, env } = devCommand(member, directory, variables);
        const own = args.map((each) => each.replace(/^-config\.file=.*/, `-config.file=${config}`));
        const main = options.bundle === '' ? undefined : [path.resolve(options.bundle, `${member.app}.js`)];
        return { ...(main ? { main } : {}), args: [...own, ...limits], env };
      },
    },
  );
  try {
    await cluster.start();
    const requests = () => requestsOf(cluster, services);
    const before = { costs: costsOf(cluster.processes), requests: await requests() };
    const gb = await load(cluster, set);
    const loaded = { costs: costsOf(cluster.processes), requests: await requests() };
    await post(`${cluster.first('gateway').url}/flush`);
    const flushed = { costs: costsOf(cluster.processes), requests: await requests() };
    const queries = await query(cluster, set);
    const queried = { costs: costsOf(cluster.processes), requests: await requests() };
    const idleSeconds = Number(options['idle-seconds']);
    await sleep(idleSeconds * 1_000);
    const idled = { costs: costsOf(cluster.processes), requests: await requests() };
    const result = {
      gb,
      queries,
      apps: appRows(before.costs, flushed.costs, loaded.costs, gb),
      requestsPerGb: scaled(before.requests, flushed.requests, 1 / gb),
      requestsPerQuery: scaled(flushed.requests, queried.requests, 1 / queries),
      idleRequestsPerSecond: scaled(queried.requests, idled.requests, 1 / idleSeconds),
    };
    print(partitions, result);
    return result;
  } finally {
    await cluster.stop();
    await services.stop();
  }
}

interface AppRow {
  readonly app: string;
  readonly cpuSecondsPerGb: number;
  readonly rssMib: number;
  readonly connections: number;
}

function appRows(
  before: readonly AppCosts[],
  flushed: readonly AppCosts[],
  loaded: readonly AppCosts[],
  gb: number,
): AppRow[] {
  return Object.keys(counts).map((app) => {
    const of = (costs: readonly AppCosts[]) => costs.filter((each) => each.app === app);
    const sum = (costs: readonly AppCosts[], name: 'cpuSeconds' | 'rssMib' | 'connections') =>
      of(costs).reduce((total, each) => total + each[name], 0);
    return {
      app,
      cpuSecondsPerGb: (sum(flushed, 'cpuSeconds') - sum(before, 'cpuSeconds')) / gb,
      rssMib: sum(loaded, 'rssMib'),
      connections: sum(loaded, 'connections'),
    };
  });
}

function scaled(before: Requests, after: Requests, factor: number): Requests {
  return {
    kafka: (after.kafka - before.kafka) * factor,
    redis: (after.redis - before.redis) * factor,
    s3: (after.s3 - before.s3) * factor,
  };
}

function print(
  partitions: number,
  {
    apps,
    ...rows
  }: { readonly apps: readonly AppRow[] } & Record<
    'requestsPerGb' | 'requestsPerQuery' | 'idleRequestsPerSecond',
    Requests
  >,
): void {
  const total = (name: 'cpuSecondsPerGb' | 'rssMib' | 'connections') =>
    apps.reduce((sum, each) => sum + each[name], 0);
  console.log(`\n| ${partitions} partitions | ${apps.map(({ app }) => app).join(' | ')} | all |`);
  console.log(`|---|${apps.map(() => '---|').join('')}---|`);
  for (const [name, text] of [
    ['cpuSecondsPerGb', 'CPU s/GB'],
    ['rssMib', 'RSS while loading, MiB'],
    ['connections', 'connections'],
  ] as const) {
    const cells = [...apps.map((each) => each[name]), total(name)].map((each) =>
      each.toFixed(name === 'cpuSecondsPerGb' ? 1 : 0),
    );
    console.log(`| ${text} | ${cells.join(' | ')} |`);
  }
  for (const [name, text] of [
    ['requestsPerGb', 'requests a GB'],
    ['requestsPerQuery', 'requests a query'],
    ['idleRequestsPerSecond', 'requests a second, idle'],
  ] as const) {
    const { kafka, redis, s3 } = rows[name];
    console.log(`${text}: Kafka ${kafka.toFixed(1)}, Redis ${redis.toFixed(1)}, S3 ${s3.toFixed(1)}`);
  }
}

/** Pushes the data set. @returns its raw GB */
async function load(cluster: Cluster, { directory }: DataSet): Promise<number> {
  const bodies = new PushBodies(directory, 'main.proto');
  // One iterator, which all workers share.
  const batches = bodies.batches.values();
  const url = `${cluster.first('gateway').url}/loki/api/v1/push`;
  const work = async (): Promise<void> => {
    for (const batch of batches) await post(url, bodies.read(batch));
  };
  await Promise.all(Array.from({ length: pushesAtOnce }, work));
  bodies.close();
  const manifest = fs.readFileSync(path.join(directory, 'manifest.json'), 'utf8');
  const { rawBytes } = (JSON.parse(manifest) as { main: { rawBytes: number } }).main;
  return rawBytes / 1e9;
}

async function post(url: string, body?: Uint8Array<ArrayBuffer>): Promise<void> {
  const headers = { 'Content-Type': 'application/x-protobuf' };
  const answer = await fetch(url, { method: 'POST', ...(body ? { headers, body } : {}) });
  if (answer.status !== 204) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
}

/** Asks each query twice: cold and warm. @returns how many were asked */
async function query(cluster: Cluster, data: DataSet): Promise<number> {
  const { url } = cluster.first('gateway');
  const queries = [...storeQueries(data), ...storeQueries(data)];
  for (const each of queries) {
    const answer = await fetch(`${url}${each.path}?${new URLSearchParams(each.params).toString()}`);
    if (answer.status !== 200) throw new Error(`${each.id}: ${answer.status} ${await answer.text()}`);
    await answer.arrayBuffer();
  }
  return queries.length;
}

async function requestsOf(cluster: Cluster, services: Services): Promise<Requests> {
  const pages = await Promise.all(
    cluster.processes.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()),
  );
  const samples = pages.flatMap((page) => [
    ...page.matchAll(/^loki_objstore_bucket_transport_requests_total\{[^}]*\} ([\d.e+]+)/gm),
  ]);
  return {
    kafka: [...services.kafkaRequests!.values()].reduce((sum, each) => sum + each, 0),
    redis: await redisCommands(services.redis!),
    s3: samples.reduce((sum, [, value]) => sum + Number(value), 0),
  };
}

function redisCommands(address: string): Promise<number> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), host, () => socket.write('INFO stats\r\n'));
    let text = '';
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk.toString();
      const count = /total_commands_processed:(\d+)\r/.exec(text);
      if (!count) return;
      socket.destroy();
      resolve(Number(count[1]));
    });
  });
}
