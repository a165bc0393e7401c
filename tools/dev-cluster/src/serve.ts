/**
 * One app in the foreground with the configuration of development: `npx nx serve app-ingester -- --number 2`.
 * Services are those of `npm run dev:services`, or of KAFKA_BROKERS and REDIS_ENDPOINT; `loki` needs none.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { endWithUsageError, readOptions } from '@loki/command-line';
import { mainOf } from './cluster.ts';
import { defaultData, defaultPort, devCommand, root } from './dev-member.ts';
import { waitForDevServices } from './dev-services.ts';
import { appNames, memberOf } from './members.ts';
import type { AppName } from './members.ts';

/** Kafka takes its time, and may have to be fetched before. */
const servicesWaitMs = 120_000;

async function main(): Promise<number> {
  const { values, positionals } = readOptions(import.meta.filename, {
    allowPositionals: true,
    options: {
      number: { type: 'string', default: '1' },
      data: { type: 'string', default: defaultData },
      port: { type: 'string', default: String(defaultPort) },
    },
  });
  const app = appNames.find((name) => name === path.basename(positionals[0] ?? ''));
  if (!app) endWithUsageError(`one of these apps is missing: ${appNames.join(', ')}`);
  fs.mkdirSync(values.data, { recursive: true });
  const member = memberOf(app, Number(values.number), Number(values.port));
  const services = app === 'loki' ? {} : await waitForDevServices(values.data, servicesWaitMs);
  console.log(`${member.name}: http://127.0.0.1:${member.httpPort}, data below ${values.data}`);
  return run(app, devCommand(member, values.data, services));
}

/** Resolves when the process ends; passes signals on to it. */
function run(app: AppName, { args, env }: ReturnType<typeof devCommand>): Promise<number> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', ...mainOf(app), ...args],
    // In a group of its own, so that Ctrl-C reaches it once.
    { cwd: root, stdio: 'inherit', detached: true, env: { ...process.env, ...env } },
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill('SIGTERM'));
  }
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
