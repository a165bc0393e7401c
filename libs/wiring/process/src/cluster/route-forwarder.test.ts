/**
 * Protects deletes and rules through a gateway: they reach a process that answers, and what creates something
 * is sent once.
 */
import { LokiError } from '@loki/model';
import type { HttpHandler, HttpRequest, Logger } from '@loki/ports';
import { ChannelPool, RpcServer, serveRoutes } from '@loki/rpc';
import { NodeClock, NodeTimers } from '@loki/runtime';
import { RouteForwarder } from './route-forwarder.ts';

const timers = new NodeTimers();
const clock = new NodeClock();
const quiet = () => undefined;
const logger: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };

const servers: RpcServer[] = [];
const channels = new ChannelPool({ clock });

async function serve(handler: HttpHandler): Promise<string> {
  const server = new RpcServer({ address: '127.0.0.1', port: 0, logger });
  serveRoutes(server, new Map([['deletes', handler]]));
  servers.push(server);
  return `127.0.0.1:${await server.listen()}`;
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop((cut) => timers.after(0, cut))));
});
afterAll(() => channels.close());

function request(method: string): HttpRequest {
  return {
    method,
    path: '/loki/api/v1/delete',
    params: new Map(),
    queryText: '',
    headers: new Map(),
    body: Buffer.alloc(0),
    remoteAddress: '',
    signal: new AbortController().signal,
  };
}

function forwarder(addresses: readonly string[], isDeployed = true, deadlineMs = 60_000): RouteForwarder {
  return new RouteForwarder({
    name: 'compactor',
    addresses: () => addresses,
    isDeployed: () => isDeployed,
    channels,
    clock,
    logger,
    deadlineMs,
  });
}

/** An address without a listener. */
const nobody = '127.0.0.1:1';

test('those that answer take turns', async () => {
  const asked = [0, 0];
  const count = (i: number) => () => {
    asked[i]++;
    return { status: 200 };
  };
  const routes = forwarder([await serve(count(0)), await serve(count(1))]);
  for (let i = 0; i < 6; i++) expect((await routes.call('deletes', request('GET'))).status).toBe(200);
  expect(asked).toEqual([3, 3]);
});

test('one that is gone costs a look one attempt, and is asked last from then on', async () => {
  let asked = 0;
  const there = await serve(() => {
    asked++;
    return { status: 200 };
  });
  const routes = forwarder([nobody, there]);
  for (let i = 0; i < 4; i++) expect((await routes.call('deletes', request('GET'))).status).toBe(200);
  for (let i = 0; i < 4; i++) expect((await routes.call('deletes', request('POST'))).status).toBe(200);
  expect(asked).toBe(8);
});

test('what may have been carried out is not sent to another', async () => {
  let created = 0;
  const addresses = await Promise.all(
    [0, 1].map(() =>
      serve(() => {
        created++;
        throw new LokiError('unavailable', 'the store is away');
      }),
    ),
  );
  const routes = forwarder(addresses);
  await expect(routes.call('deletes', request('POST'))).rejects.toMatchObject({ code: 'unavailable' });
  expect(created).toBe(1);
  await expect(routes.call('deletes', request('DELETE'))).rejects.toMatchObject({ code: 'unavailable' });
  expect(created).toBe(3);
});

test('refusals come back at once, in the words of who refused', async () => {
  let asked = 0;
  const addresses = await Promise.all(
    [0, 1].map(() =>
      serve(() => {
        asked++;
        throw new LokiError('badRequest', 'query not set');
      }),
    ),
  );
  const call = forwarder(addresses).call('deletes', request('GET'));
  await expect(call).rejects.toMatchObject({ code: 'badRequest', message: 'query not set' });
  expect(asked).toBe(1);
});

test('one that is stopped is given up, and the next one asked', async () => {
  let asked = 0;
  const stopped = await serve(() => {
    asked++;
    return new Promise(() => {});
  });
  const there = await serve(() => ({ status: 204 }));
  const routes = forwarder([stopped, there], true, 3_000);
  for (let i = 0; i < 4; i++) expect((await routes.call('deletes', request('GET'))).status).toBe(204);
  expect(asked).toBe(1);
});

test('without anybody the route is away, and where there never was anybody it does not exist', async () => {
  await expect(forwarder([]).call('deletes', request('GET'))).rejects.toMatchObject({ code: 'unavailable' });
  await expect(forwarder([], false).call('deletes', request('GET'))).rejects.toMatchObject({
    code: 'notFound',
    message: '404 page not found',
  });
});
