/**
 * Protects `-target=`: parts of the system under Loki's names find each other, and each answers what is its
 * own.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '@loki/test-tools';
import { TestServer } from './test/server.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const targets = ['write', 'read', 'query-frontend', 'querier'] as const;

let directory: string;
const servers = new Map<string, TestServer>();
const server = (target: (typeof targets)[number]) => servers.get(target)!;

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-targets-'));
  const port = await freePort();
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(
    file,
    `auth_enabled: false
common:
  ring: {kvstore: {store: memberlist}, instance_addr: 127.0.0.1, heartbeat_period: 1s}
  storage: {filesystem: {chunks_directory: ${directory}/store, rules_directory: ${directory}/rules}}
memberlist: {join_members: ['127.0.0.1:${port}']}
`,
  );
  const start = async (target: string, ...flags: string[]) => {
    const common = [`-config.file=${file}`, '-server.grpc-listen-address=127.0.0.1', `-target=${target}`];
    servers.set(target, await TestServer.start([...common, `-ingester.lifecycler.ID=${target}`, ...flags]));
  };
  await start('write', `-server.grpc-listen-port=${port}`);
  // A query frontend is ready once queriers fetch from it.
  await Promise.all(['read', 'query-frontend', 'querier'].map((target) => start(target)));
});

afterAll(async () => {
  for (const target of [...targets].reverse()) await servers.get(target)?.dispose();
  fs.rmSync(directory, { recursive: true, force: true });
});

test('each target runs what Loki’s runs', async () => {
  const running = async (target: (typeof targets)[number]) => {
    const { text } = await server(target).get('/services');
    return text.split('\n').flatMap((line) => line.split(' => ')[0] || []);
  };
  expect(await running('write')).toEqual(['distributor', 'ingester']);
  expect(await running('read')).toEqual(['query-frontend', 'querier']);
  expect(await running('query-frontend')).toEqual(['query-frontend', 'query-scheduler']);
  expect(await running('querier')).toEqual(['querier']);
});

test('what write takes is answered by read and by a query frontend, from memory and from the store', async () => {
  const push = async (line: string) => {
    const values = [[`${Date.now()}000000`, line]];
    return (await server('write').push({ streams: [{ stream: { app: 'targets' }, values }] })).status;
  };
  const lines = async (target: (typeof targets)[number]) =>
    (await server(target).lines('{app="targets"}')).map(({ line }) => line);
  expect(await push('first')).toBe(204);
  expect(await lines('read')).toEqual(['first']);
  expect(await lines('query-frontend')).toEqual(['first']);
  expect((await fetch(`${server('write').url}/flush`, { method: 'POST' })).status).toBe(204);
  expect(await push('second')).toBe(204);
  expect(await lines('read')).toEqual(['first', 'second']);
  expect(await lines('query-frontend')).toEqual(['first', 'second']);
});

test('a part does not answer for another', async () => {
  const body = { streams: [{ stream: { a: 'b' }, values: [] }] };
  expect((await server('read').push(body)).status).toBe(404);
  expect((await server('write').get('/loki/api/v1/labels')).status).toBe(404);
  expect((await server('querier').get('/loki/api/v1/labels')).status).toBe(404);
});

test.each([
  [['-target=distributor'], 'the embedded write log serves one process'],
  [['-target=ingester'], 'the embedded write log serves one process'],
  [['-target=nobody'], 'unrecognised module name: nobody'],
])('%j is refused in words', (flags, text) => {
  const place = path.join(directory, 'refused');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      'apps/loki/src/main.ts',
      ...flags,
      `-common.path-prefix=${place}`,
      '-server.http-listen-port=0',
      '-server.grpc-listen-port=0',
    ],
    { cwd: root, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' }, timeout: 200_000 },
  );
  expect(status).not.toBe(0);
  expect(stdout + stderr).toContain(text);
});
