/**
 * The distributed system on one machine: Kafka, Redis and MinIO, then 2 gateways, 2 distributors, 3 ingesters
 * in 3 zones, 2 queriers, a compactor and a ruler as processes of their own. One that ends, or is killed,
 * starts again; Ctrl-C ends them all, in order.
 *
 *     npm run dev:cluster -- [--data DIRECTORY] [--port 3100] [--ingester 3] [--querier 2] … [-- -flag=value …]
 *     npm run dev:services -- [--data DIRECTORY] [--brokers 1] [--only kafka,redis,s3]
 *
 * The latter starts the services alone, for `npx nx serve APP`. Without s3 objects are kept in a directory
 * that all share. Flags after `--` are given to every process.
 * Services that `npm run dev:services` has running are used, and so are those of KAFKA_BROKERS and
 * REDIS_ENDPOINT. All data is in DIRECTORY (data/dev) and found again at the next start; logs are in
 * DIRECTORY/logs.
 */
import fs from 'node:fs';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { serviceNames } from '@loki/services';
import type { ServiceName } from '@loki/services';
import { Cluster } from './cluster.ts';
import { defaultData, defaultPort, devCommand } from './dev-member.ts';
import { findDevServices, startDevServices } from './dev-services.ts';
import { memberOf, membersOf, wholeSystem } from './members.ts';
import type { AppName } from './members.ts';

async function main(): Promise<number> {
  const { values, positionals: flags } = readOptions(import.meta.filename, {
    allowPositionals: true,
    options: {
      data: { type: 'string', default: defaultData },
      port: { type: 'string', default: String(defaultPort) },
      brokers: { type: 'string', default: '1' },
      only: { type: 'string', default: serviceNames.join() },
      'services-only': { type: 'boolean', default: false },
      ...Object.fromEntries(Object.keys(wholeSystem).map((app) => [app, { type: 'string' as const }])),
    },
  });
  const { data, port, brokers, only } = values as Record<'data' | 'port' | 'brokers' | 'only', string>;
  fs.mkdirSync(data, { recursive: true });
  const stopping = new Promise<void>((resolve) => {
    // A second Ctrl-C has no further effect: flushes in progress are finished.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
  const running = await findDevServices(data);
  if (values['services-only'] && running) throw new Error('services run already');
  const own = running
    ? undefined
    : await startDevServices(data, Number(brokers), only.split(',') as ServiceName[]);
  const services = running ?? own!.variables;
  let cluster: Cluster | undefined;
  try {
    for (const [name, value] of Object.entries(services)) console.log(`${name}=${value}`);
    if (values['services-only']) {
      console.log('ready: `npx nx serve app-ingester` and its like find them; Ctrl-C ends them');
      await stopping;
      return 0;
    }
    const counts = { ...wholeSystem };
    for (const app of Object.keys(wholeSystem) as AppName[]) {
      const count = (values as Record<string, unknown>)[app];
      if (typeof count === 'string') counts[app] = Number(count);
    }
    const members = membersOf(counts, (app, number) => memberOf(app, number, Number(port)));
    cluster = new Cluster(members, {
      logDirectory: path.join(data, 'logs'),
      restarts: true,
      onEnd: (name, reason) =>
        console.error(`${name} ended (${reason}), and starts again; its log is in ${data}/logs`),
      command: (member) => {
        const { args, env } = devCommand(member, data, services);
        return { args: [...args, ...flags], env };
      },
    });
    await runUntil(cluster, path.join(data, 'processes.json'), stopping);
    return 0;
  } finally {
    console.log('stopping …');
    await cluster?.stop();
    await own?.stop();
  }
}

async function runUntil(cluster: Cluster, file: string, stopping: Promise<void>): Promise<void> {
  let isStopping = false;
  void stopping.then(() => (isStopping = true));
  await cluster.start(stopping);
  if (isStopping) return;
  for (const { name, url } of cluster.processes) console.log(`${name.padEnd(14)} ${url}`);
  const started = cluster.processes.map(({ name, url, daemon }) => ({ name, url, pid: daemon.pid }));
  fs.writeFileSync(file, `${JSON.stringify(started, undefined, 2)}\n`);
  console.log(`ready: push to and query ${cluster.first('gateway').url}; Ctrl-C ends all`);
  await stopping;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
