/**
 * Protects `server.admin_listen_port`: what operators ask is out of clients' reach, and clients' routes out
 * of operators'.
 */
import { freePort } from '@loki/test-tools';
import { TestServer } from './test/server.ts';

let server: TestServer;
let admin: string;

beforeAll(async () => {
  const port = await freePort();
  admin = `http://127.0.0.1:${port}`;
  server = await TestServer.start([`-server.admin-listen-port=${port}`]);
});

afterAll(() => server.dispose());

const statuses = async (path: string, method = 'GET') => {
  const ask = async (url: string) => (await fetch(url + path, { method })).status;
  return { clients: await ask(server.url), operators: await ask(admin) };
};

test.each([
  '/metrics',
  '/config',
  '/services',
  '/log_level',
  '/ring',
  '/distributor/ring',
  '/scheduler/ring',
  '/ruler/ring',
  '/compactor/ring',
  '/partition-ring',
  '/memberlist',
  '/ingester/partitions',
  '/compactor/status',
  '/partitions',
  '/usage',
  '/compaction',
])('%s is answered on the admin port alone', async (path) => {
  expect(await statuses(path)).toEqual({ clients: 404, operators: 200 });
});

test('a flush is a route of the admin port only', async () => {
  expect(await statuses('/flush', 'POST')).toEqual({ clients: 404, operators: 204 });
  expect(await statuses('/compactor/merge', 'POST')).toEqual({ clients: 404, operators: 202 });
});

test.each(['/ready', '/healthz', '/loki/api/v1/status/buildinfo'])('%s is answered on both', async (path) => {
  expect(await statuses(path)).toEqual({ clients: 200, operators: 200 });
});

test.each([
  '/loki/api/v1/labels',
  '/prometheus/api/v1/rules',
  '/loki/api/v1/delete',
  '/loki/api/v1/drilldown-limits',
])('%s is for clients alone', async (path) => {
  const { clients, operators } = await statuses(path);
  expect(clients).not.toBe(404);
  expect(operators).toBe(404);
});

test('a line goes in and out by the port of clients, and the admin port takes none', async () => {
  const values = [[`${Date.now()}000000`, 'through the front door']];
  const body = { streams: [{ stream: { app: 'admin-port' }, values }] };
  expect((await server.push(body)).status).toBe(204);
  expect((await server.lines('{app="admin-port"}')).map(({ line }) => line)).toEqual([
    'through the front door',
  ]);
  expect((await statuses('/loki/api/v1/push', 'POST')).operators).toBe(404);
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  expect(metrics).toMatch(/^loki_distributor_lines_received_total\{[^}]*\} 1$/m);
});

test('a process ends when the admin port is told so, and not by the port of clients', async () => {
  expect((await statuses('/ingester/shutdown', 'POST')).clients).toBe(404);
  const endMs = Date.now() + 100_000;
  const answers = () =>
    fetch(`${server.url}/ready`).then(
      () => true,
      () => false,
    );
  while ((await answers()) && Date.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await answers()).toBe(false);
  expect(await server.stop()).toBe(0);
});
