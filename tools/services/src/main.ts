/**
 * Tests of the adapters against real services: starts what is there of Kafka, Redis and MinIO on free ports, runs the
 * tests that ask for them, and ends what it started.
 *
 *     npm run test:services -- [--brokers 3] [--only kafka,redis,s3] [--up] [test path ...]
 *
 * --brokers 1 saves memory and leaves out the tests that kill brokers. --up runs no test: it prints the variables and
 * waits for Ctrl-C. What is missing is said and left out. Jars are kept in $LOKI_SERVICES_CACHE (~/.cache/loki-services).
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { serveControl } from './control.ts';
import { KafkaBrokers, kafkaLacks } from './kafka.ts';
import { findMinio, minioPassword, minioUser, startMinio } from './minio.ts';
import { findRedis, startRedis } from './redis.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const cache = process.env['LOKI_SERVICES_CACHE'] || path.join(os.homedir(), '.cache', 'loki-services');
const suites = [
  'libs/write-log/src/kafka',
  'libs/ring-store/',
  'libs/object-store/src/bucket',
  'apps/loki/src/services',
];

interface Services {
  readonly env: Record<string, string>;
  readonly stops: (() => Promise<void> | void)[];
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      brokers: { type: 'string', default: '3' },
      only: { type: 'string', default: 'kafka,redis,s3' },
      up: { type: 'boolean', default: false },
    },
  });
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-services-'));
  fs.mkdirSync(cache, { recursive: true });
  const services: Services = { env: {}, stops: [] };
  const interrupted = new Promise<number>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(130));
  });
  try {
    const wanted = new Set(values.only.split(','));
    if (wanted.has('kafka')) await addKafka(services, directory, Number(values.brokers));
    if (wanted.has('redis')) await addRedis(services, directory);
    if (wanted.has('s3')) await addMinio(services, directory);
    for (const [name, value] of Object.entries(services.env)) console.log(`${name}=${value}`);
    if (values.up) return await interrupted;
    return await Promise.race([
      runTests(positionals.length > 0 ? positionals : suites, services.env),
      interrupted,
    ]);
  } finally {
    await Promise.allSettled(services.stops.map(async (stop) => stop()));
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function addKafka({ env, stops }: Services, directory: string, brokers: number): Promise<void> {
  const lack = kafkaLacks(cache);
  if (lack !== undefined) {
    console.log(`skipped: Kafka: ${lack}`);
    return;
  }
  const kafka = await KafkaBrokers.start(brokers, directory, cache);
  stops.push(() => kafka.stop());
  env['LOKI_TEST_KAFKA_BROKERS'] = kafka.addresses;
  const control = await serveControl(kafka);
  stops.push(control.close);
  if (brokers >= 3) env['LOKI_TEST_KAFKA_CONTROL'] = control.url;
}

async function addRedis({ env, stops }: Services, directory: string): Promise<void> {
  const binary = findRedis();
  if (binary === undefined) {
    console.log('skipped: Redis: there is no redis-server (Debian: apt-get install redis-server)');
    return;
  }
  const redis = await startRedis(binary, directory);
  stops.push(() => redis.stop());
  env['LOKI_TEST_REDIS_URL'] = `redis://127.0.0.1:${redis.port}`;
  env['LOKI_TEST_REDIS_SERVER'] = binary;
}

async function addMinio({ env, stops }: Services, directory: string): Promise<void> {
  const binary = findMinio(cache);
  if (binary === undefined) {
    console.log('skipped: MinIO: there is no minio in the path, in $MINIO_BINARY or in the cache');
    return;
  }
  const minio = await startMinio(binary, directory);
  stops.push(() => minio.stop());
  env['LOKI_TEST_S3_ENDPOINT'] = minio.endpoint;
  env['AWS_ACCESS_KEY_ID'] = minioUser;
  env['AWS_SECRET_ACCESS_KEY'] = minioPassword;
}

function runTests(paths: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  // One suite at a time: those that kill brokers would meet the others.
  const child = spawn('npm', ['test', '--', '--runInBand', ...paths], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

process.exitCode = await main();
