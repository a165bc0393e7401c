/**
 * Tests against real services: starts the available ones of Kafka, Redis, memcached and MinIO on free ports,
 * looks for Prometheus and Alertmanager, runs the tests that ask for them, those of the mixin's metrics in
 * the separate apps too, then the recorded answers of the reference server against these apps (tools/conform
 * --cluster), and ends what it started.
 *
 *     npm run test:services -- [--brokers 3] [--only kafka,redis,memcached,s3] [--ci] [test path ...]
 *     npm run test:services -- --up
 *
 * --brokers 1 saves memory and leaves out the tests that kill brokers. --ci asks the separate apps from their
 * caches in the last phase only. With test paths, these alone are run. --up runs no test: it prints the
 * variables and waits for Ctrl-C. Services whose programs are missing are reported and left out. Jars are
 * kept in $LOKI_SERVICES_CACHE (~/.cache/loki-services).
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { prometheusVariables } from './prometheus.ts';
import { serviceNames, startServices, testVariables } from './services.ts';
import type { ServiceName, Services } from './services.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const suites = [
  'libs/adapters/write-log/src/kafka',
  'libs/adapters/ring-store/',
  'libs/adapters/results-cache/',
  'libs/adapters/object-store/src/bucket',
  'apps/loki-e2e/src/services',
  'apps/loki-e2e/src/prometheus',
  'tools/mixin/src/separate-apps',
];

async function main(): Promise<number> {
  const { values, positionals } = readOptions(import.meta.filename, {
    allowPositionals: true,
    options: {
      brokers: { type: 'string', default: '3' },
      only: { type: 'string', default: serviceNames.join() },
      up: { type: 'boolean', default: false },
      ci: { type: 'boolean', default: false },
    },
  });
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-services-'));
  let services: Services | undefined;
  const interrupted = new Promise<number>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(130));
  });
  try {
    services = await startServices({
      directory,
      names: new Set(values.only.split(',') as ServiceName[]),
      brokers: Number(values.brokers),
      say: (text) => console.log(text),
    });
    const say = (text: string) => console.log(text);
    const variables = { ...testVariables(services), ...prometheusVariables(say) };
    for (const [name, value] of Object.entries(variables)) console.log(`${name}=${value}`);
    if (values.up) return await interrupted;
    const env = { ...process.env, ...variables };
    // One suite at a time: those that kill brokers would meet the others.
    // A connection that a test left open does not hold the run.
    const options = ['--runInBand', '--forceExit'];
    const tests = ['npm', 'test', '--', ...options, ...(positionals.length > 0 ? positionals : suites)];
    const failed = await Promise.race([runToEnd(tests, env), interrupted]);
    if (failed !== 0 || positionals.length > 0) return failed;
    if (!services.kafka || !services.redis) {
      console.log('skipped: the separate apps, which need Kafka and Redis');
      return 0;
    }
    return await Promise.race([runToEnd(conformCommand(values.ci), env), interrupted]);
  } finally {
    await services?.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function conformCommand(inCi: boolean): string[] {
  return ['npm', 'run', 'conform', '--', '--cluster', ...(inCi ? ['--ci'] : [])];
}

function runToEnd(command: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [file, ...args] = command;
  const child = spawn(file, args, { cwd: root, stdio: 'inherit', env });
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

process.exitCode = await main();
