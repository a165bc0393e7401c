/**
 * The distributed system on one machine, as real processes: 2 gateways, 2 distributors, 3 ingesters in 3 zones,
 * 2 queriers. One that ends, or is killed, starts again; Ctrl-C ends them all in order.
 *
 *     npm run dev:cluster                    starts Kafka and Redis too (what tools/services finds or installs)
 *     KAFKA_BROKERS=… REDIS_ENDPOINT=… npm run dev:cluster      with services that run already
 *     npm run dev:cluster -- --data DIRECTORY --port 3100       where data goes, and the first HTTP port
 *
 * Gateways answer at the first two ports; logs are in DIRECTORY/logs.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { parseArgs } from 'node:util';

const root = path.resolve(import.meta.dirname, '../../..');
const readyMs = 120_000;
/** A process that ended starts again after this. */
const restartMs = 1_000;

interface Member {
  readonly app: 'gateway' | 'distributor' | 'ingester' | 'querier';
  readonly number: number;
  readonly zone: string;
}

/** In the order in which they start; they stop the other way round. */
const members: readonly Member[] = [
  { app: 'ingester', number: 1, zone: 'zone-a' },
  { app: 'ingester', number: 2, zone: 'zone-b' },
  { app: 'ingester', number: 3, zone: 'zone-c' },
  { app: 'distributor', number: 1, zone: 'zone-a' },
  { app: 'distributor', number: 2, zone: 'zone-b' },
  { app: 'querier', number: 1, zone: 'zone-a' },
  { app: 'querier', number: 2, zone: 'zone-b' },
  { app: 'gateway', number: 1, zone: 'zone-a' },
  { app: 'gateway', number: 2, zone: 'zone-b' },
];

interface Running {
  readonly name: string;
  readonly url: string;
  readonly process: ChildProcess;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: path.join(root, 'data/dev') },
      port: { type: 'string', default: '3100' },
    },
  });
  const stopping = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
  });
  const running = new Map<string, Running>();
  const services = await findServices();
  const env = { ...services.env, LOKI_DATA: values.data };
  let isStopping = false;
  const supervise = (member: Member): Running => {
    const started = start(member, env, Number(values.port));
    running.set(started.name, started);
    started.process.once('exit', (code, signal) => {
      if (isStopping) return;
      console.error(
        `${started.name} ended (${code ?? signal}), and starts again; its log is in ${values.data}/logs`,
      );
      setTimeout(() => isStopping || supervise(member), restartMs);
    });
    return started;
  };
  try {
    fs.mkdirSync(path.join(values.data, 'logs'), { recursive: true });
    for (const member of members) {
      const started = supervise(member);
      // The first makes the topic.
      if (running.size === 1) await waitReady(started, stopping);
    }
    for (const each of running.values()) await waitReady(each, stopping);
    for (const { name, url } of running.values()) console.log(`${name.padEnd(14)} ${url}`);
    console.log(`ready: push to and query ${running.get('gateway-1')!.url}; Ctrl-C ends all`);
    await stopping;
    return 0;
  } finally {
    isStopping = true;
    for (const app of ['gateway', 'querier', 'distributor', 'ingester']) {
      const those = [...running.values()].filter(({ name }) => name.startsWith(app));
      await Promise.all(those.map(stop));
    }
    await services.stop();
  }
}

function start(member: Member, env: Readonly<Record<string, string>>, firstPort: number): Running {
  const { app, number, zone } = member;
  const name = `${app}-${number}`;
  const apps = ['gateway', 'distributor', 'ingester', 'querier'];
  // Gateways first: 3100 and 3101, then two or three ports for each of the others.
  const port = firstPort + apps.indexOf(app) * 10 + number - 1;
  const log = fs.openSync(path.join(env['LOKI_DATA'], 'logs', `${name}.log`), 'a');
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      `apps/${app}/src/main.ts`,
      `-config.file=apps/${app}/dev.yaml`,
      '-config.expand-env=true',
    ],
    {
      cwd: root,
      stdio: ['ignore', log, log],
      // Ctrl-C is for us: we end them in order.
      detached: true,
      env: {
        ...process.env,
        ...env,
        LOKI_INSTANCE: name,
        LOKI_ZONE: zone,
        LOKI_HTTP_PORT: String(port),
        LOKI_GRPC_PORT: String(port + 6000),
      },
    },
  );
  fs.closeSync(log);
  return { name, url: `http://127.0.0.1:${port}`, process: child };
}

async function waitReady({ name, url, process: child }: Running, stopping: Promise<void>): Promise<void> {
  let isStopping = false;
  void stopping.then(() => (isStopping = true));
  const endMs = Date.now() + readyMs;
  let last = 'no answer';
  while (!isStopping) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} ended: see its log`);
    if (Date.now() > endMs) throw new Error(`${name} is not ready: ${last}`);
    try {
      const response = await fetch(`${url}/ready`);
      if (response.status === 200) return;
      last = await response.text();
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function stop({ process: child }: Running): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

interface Services {
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** The services that the environment names, else Kafka and Redis started by tools/services. */
async function findServices(): Promise<Services> {
  const { KAFKA_BROKERS, REDIS_ENDPOINT } = process.env;
  if (KAFKA_BROKERS !== undefined && REDIS_ENDPOINT !== undefined) {
    return { env: { KAFKA_BROKERS, REDIS_ENDPOINT }, stop: () => Promise.resolve() };
  }
  console.log('starting Kafka and Redis …');
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      'tools/services/src/main.ts',
      '--up',
      '--brokers',
      '1',
      '--only',
      'kafka,redis',
    ],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], detached: true },
  );
  const found = new Map<string, string>();
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const equals = line.indexOf('=');
    if (equals > 0) found.set(line.slice(0, equals), line.slice(equals + 1));
    if (found.has('LOKI_TEST_KAFKA_BROKERS') && found.has('LOKI_TEST_REDIS_URL')) break;
  }
  const brokers = found.get('LOKI_TEST_KAFKA_BROKERS');
  const redis = found.get('LOKI_TEST_REDIS_URL');
  const services: Running = { name: 'services', url: '', process: child };
  if (brokers === undefined || redis === undefined) {
    await stop(services);
    throw new Error('Kafka or Redis is missing: set KAFKA_BROKERS and REDIS_ENDPOINT');
  }
  child.stdout.resume();
  return {
    // A topic of its own for each start of Kafka, whose data goes with it.
    env: { KAFKA_BROKERS: brokers, REDIS_ENDPOINT: new URL(redis).host },
    stop: () => stop(services),
  };
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
