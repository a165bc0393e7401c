/**
 * Fills the compile cache of a built product: `warm.ts FOLDER`, with $NODE_COMPILE_CACHE and the Node that
 * will read it, under the path and the user of that time.
 *
 * Each app of the product runs once, as long as it takes to load what it loads when it serves. V8 accepts a
 * cache only from code that was compiled with its own flags, which the apps set, so the apps write it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const timeoutMs = 60_000;
/** No server listens there: the clients of services are loaded, and retry until they are stopped. */
const deadAddress = '127.0.0.1:9';

const main = path.join(path.resolve(process.argv[2]), 'main.js');
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-warm-'));

/** Everything in one process, with a push and a query: these start a thread. */
async function serveOnce(): Promise<void> {
  const flags = [
    'all',
    '-server.http-listen-port=0',
    '-server.grpc-listen-port=0',
    `-common.path-prefix=${directory}`,
  ];
  const loki = run(flags);
  const [, port] = await logOf(loki, /msg="Loki started".* port=(\d+)/);
  const url = `http://127.0.0.1:${port}/loki/api/v1`;
  const values = [[`${Date.now()}000000`, 'warm']];
  const body = JSON.stringify({ streams: [{ stream: { app: 'warm' }, values }] });
  const pushed = await fetch(`${url}/push`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const queried = await fetch(`${url}/query_range?query=${encodeURIComponent('{app="warm"} |= "w"')}`);
  if (!pushed.ok || !(await queried.text()).includes('warm')) throw new Error('the product does not serve');
  await stop(loki);
}

async function callServices(): Promise<void> {
  const config = path.join(directory, 'loki.yaml');
  const common = `server: {http_listen_port: 0, grpc_listen_port: 0}\ncommon:\n  path_prefix: ${directory}/away\n`;
  const s3 = `{endpoint: 'http://${deadAddress}', bucketnames: a, access_key_id: b, secret_access_key: c}`;
  const redis = `{kvstore: {store: redis, redis: {endpoint: '${deadAddress}'}}}`;
  const kafka = `write_log: {kind: kafka}\nkafka_config: {topic: a, reader_config: {address: '${deadAddress}'}}\n`;
  for (const [target, text] of [
    ['compactor', `${common}  storage: {s3: ${s3}}\n`],
    ['distributor', `${common}  ring: ${redis}\n${kafka}`],
  ]) {
    fs.writeFileSync(config, text);
    const loki = run([target, `-config.file=${config}`]);
    await logOf(loki, /a service is missing|ECONNREFUSED/);
    await stop(loki);
  }
}

function run(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** The first match in the log of `child`. */
function logOf(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = '';
    const fail = (reason: string): void => reject(new Error(`${reason}:\n${text}`));
    const timer = setTimeout(() => fail(`no ${pattern.source} in ${timeoutMs} ms`), timeoutMs);
    child.once('exit', () => fail('it ended'));
    child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const match = pattern.exec(text);
      if (!match) return;
      clearTimeout(timer);
      resolve(match);
    });
  });
}

/** The cache is written when a process ends by itself. */
async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const code = await ended;
  if (code !== 0) throw new Error(`it ended with ${String(code)}`);
}

async function finish(...args: string[]): Promise<void> {
  const child = run(args);
  await new Promise((resolve) => child.once('exit', resolve));
}

await serveOnce();
await callServices();
await finish('canary', '-version');
await finish('lokictl', '--help');
fs.rmSync(directory, { recursive: true, force: true });
