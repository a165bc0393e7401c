/** Protects clients whose load balancer still sends them to a stopping process. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { eventually, freePort } from '@loki/test-tools';
import { TestServer } from './test/server.ts';

const root = path.resolve(import.meta.dirname, '../../..');

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start(['-server.shutdown-delay=2s']);
});

afterAll(() => server.dispose());

test('it is not ready at once, and serves on for the delay', async () => {
  const ended = server.stop();
  for (;;) {
    const ready = await fetch(`${server.url}/ready`);
    if (ready.status === 503) break;
    await ready.text();
  }
  const values = [[`${Date.now()}000000`, 'late']];
  const push = await fetch(`${server.url}/loki/api/v1/push`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ streams: [{ stream: { app: 'shutdown' }, values }] }),
  });
  expect(push.status).toBe(204);
  const query = new URLSearchParams({ query: '{app="shutdown"}' });
  const answer = await fetch(`${server.url}/loki/api/v1/query_range?${query.toString()}`);
  expect(await answer.text()).toContain('late');
  expect(await ended).toBe(0);
  await expect(fetch(`${server.url}/ready`)).rejects.toThrow();
});

// The first process of a container has no default for SIGTERM: it would be killed after its grace period.
test('it ends at once, and well, while its start waits for a service that is away', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-test-'));
  const away = `127.0.0.1:${await freePort()}`;
  const config = path.join(directory, 'loki.yaml');
  fs.writeFileSync(
    config,
    `server: {http_listen_port: ${await freePort()}, grpc_listen_port: 0}
common:
  path_prefix: ${directory}
  storage: {s3: {endpoint: 'http://${away}', bucketnames: a, access_key_id: b, secret_access_key: c}}
`,
  );
  const log = path.join(directory, 'log');
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', 'apps/loki/src/main.ts', `-config.file=${config}`],
    { cwd: root, stdio: ['ignore', 'ignore', fs.openSync(log, 'a')] },
  );
  try {
    await eventually(() => fs.readFileSync(log, 'utf8').includes('a service is missing'));
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  } finally {
    child.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

// A shell between npm and the server would take the signal and leave the server running.
test('npm start ends with the server when it is told so', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-test-'));
  const port = await freePort();
  const flags = [`-server.http-listen-port=${port}`, '-server.grpc-listen-port=0'];
  const args = ['start', '--', ...flags, `-common.path-prefix=${path.join(directory, 'data')}`];
  const env = { ...process.env, NODE_OPTIONS: '' };
  const child = spawn('npm', args, { cwd: root, stdio: 'ignore', env, detached: true });
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/ready`).then(
      () => true,
      () => false,
    );
  try {
    await eventually(answers, { withinMs: 60_000 });
    child.kill('SIGTERM');
    await eventually(async () => !(await answers()), { withinMs: 30_000 });
  } finally {
    try {
      process.kill(-child.pid!, 'SIGKILL'); // its group, with a server that was left running
    } catch {
      // All have ended.
    }
    fs.rmSync(directory, { recursive: true, force: true });
  }
});
