/**
 * Runs the conformance corpus against a server of its own: fills in the corpus's configuration, starts the product on
 * free ports and an empty directory, replays the cases, stops it. Options it does not know go to the corpus's runner.
 *
 *     npm run conform -- --area '^log-' --show 10
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

/** Areas that must pass in full: a change that breaks one does not land. */
const requiredAreas =
  '^(push-.*|tenant-header|logql-format.*|log-.*|params-.*|meta-labels|meta-label-values|meta-series|query-errors)$';

const root = path.resolve(import.meta.dirname, '../../..');
const corpus = process.env['LOKI_CONFORMANCE'] ?? path.resolve(root, '../shared/conformance');

async function main(args: string[]): Promise<number> {
  if (!fs.existsSync(path.join(corpus, 'run.mjs'))) {
    console.log(`skipped: no conformance corpus at ${corpus} (LOKI_CONFORMANCE names another place)`);
    return 0;
  }
  const inCi = args.includes('--ci');
  const passedOn = args.filter((arg) => arg !== '--ci' && arg !== '--keep');
  if (inCi) passedOn.push('--area', requiredAreas);

  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-conform-'));
  const [http, grpc, alertmanager] = await freePorts(3);
  const fill = (file: string) =>
    fs
      .readFileSync(path.join(corpus, 'config', file), 'utf8')
      .replaceAll('@DIR@', directory)
      .replaceAll('@HTTP@', String(http))
      .replaceAll('@GRPC@', String(grpc))
      .replaceAll('@AM@', String(alertmanager));
  fs.writeFileSync(path.join(directory, 'overrides.yaml'), fill('overrides.yaml'));
  fs.writeFileSync(path.join(directory, 'loki.yaml'), fill('loki.yaml'));

  const logFile = path.join(directory, 'server.log');
  const log = fs.openSync(logFile, 'w');
  const server = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', 'apps/loki/src/main.ts', `-config.file=${directory}/loki.yaml`],
    { cwd: root, stdio: ['ignore', log, log] },
  );
  try {
    const runner = spawnSync(
      process.execPath,
      [path.join(corpus, 'run.mjs'), '--url', `http://127.0.0.1:${http}`, ...passedOn],
      { stdio: 'inherit' },
    );
    if (runner.status !== 0)
      console.log(`server log: ${logFile}\n${fs.readFileSync(logFile, 'utf8').slice(-2000)}`);
    return runner.status ?? 1;
  } finally {
    server.kill('SIGTERM');
    await new Promise((resolve) => {
      if (server.exitCode !== null || server.signalCode !== null) resolve(undefined);
      else server.once('exit', resolve);
    });
    if (!args.includes('--keep')) fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<net.Server>((resolve) => {
          const server = net.createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

process.exitCode = await main(process.argv.slice(2));
