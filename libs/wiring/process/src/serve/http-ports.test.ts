/** Protects what operators see of a process that stops: it is not ready, and still tells so. */
import { loadConfig } from '@loki/config';
import { routes } from '@loki/http';
import type { RouteId, RouteSpec } from '@loki/http';
import type { Logger } from '@loki/ports';
import { NodeClock, NodeTimers } from '@loki/runtime';
import { Metrics, serverMetrics } from '@loki/telemetry';
import { HttpPorts } from './http-ports.ts';

const quiet = () => {};
const logger: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };

async function portsFor(...flags: string[]): Promise<HttpPorts> {
  const loaded = await loadConfig({
    argv: ['-server.http-listen-port=0', '-server.http-listen-address=127.0.0.1', ...flags],
    env: () => undefined,
    readText: () => Promise.resolve(undefined),
    versionText: 'test',
  });
  if (loaded.kind !== 'run') throw new Error(loaded.stderr);
  const metrics = serverMetrics(new Metrics('loki'));
  const memory = { bodyBytesMax: 2 ** 27 };
  return new HttpPorts(loaded.config, memory, {
    clock: new NodeClock(),
    timers: new NodeTimers(),
    logger,
    metrics,
  });
}

test('operators are answered after clients no longer are', async () => {
  const free = await portsFor();
  const { port: adminPort } = await free.listen();
  await free.stopClients(0);

  const ports = await portsFor(`-server.admin-listen-port=${adminPort}`);
  ports.handleAll({ ready: () => ({ status: 503 }), metrics: () => ({ status: 200 }) });
  const { port } = await ports.listen();
  const ask = async (of: number, path: string) => (await fetch(`http://127.0.0.1:${of}${path}`)).status;
  expect(await ask(port, '/ready')).toBe(503);

  await ports.stopClients(1_000);
  await expect(ask(port, '/ready')).rejects.toThrow();
  expect(await ask(adminPort, '/ready')).toBe(503);
  expect(await ask(adminPort, '/metrics')).toBe(200);

  await ports.stopOperators(1_000);
  await expect(ask(adminPort, '/ready')).rejects.toThrow();
});

// Protects: with an admin port, the port of clients changes nothing but what a tenant may change of its own.
test('routes that change a process are on the admin port alone', () => {
  const isChanging = ({ methods }: RouteSpec) =>
    methods === undefined || methods.some((method) => method !== 'GET');
  const ofTenants = new Set<RouteId>([
    ...(['push', 'pushLegacy', 'pushOtlp', 'deletes', 'cacheGenerationsIncrease'] as const),
    ...(['rulesNamespace', 'rulesGroup', 'rulesNamespaceLegacy', 'rulesGroupLegacy'] as const),
  ]);
  const others = (Object.entries(routes) as [RouteId, RouteSpec][])
    .filter(([id, route]) => isChanging(route) && !route.isQuery && !ofTenants.has(id))
    .map(([id, { port }]) => [id, port]);
  expect(others.length).toBeGreaterThan(12);
  expect(others.filter(([, port]) => port !== 'admin')).toEqual([]);
  for (const id of ['ingesterShutdown', 'config'] as const) expect(routes[id].port).toBe('admin');
});

test('without an admin port all is answered on one', async () => {
  const ports = await portsFor();
  ports.handleAll({ ready: () => ({ status: 200 }), metrics: () => ({ status: 200 }) });
  const started = await ports.listen();
  expect(started).toEqual({ port: started.port });
  for (const path of ['/ready', '/metrics']) {
    expect((await fetch(`http://127.0.0.1:${started.port}${path}`)).status).toBe(200);
  }
  await ports.stopOperators(0);
  await ports.stopClients(1_000);
});
