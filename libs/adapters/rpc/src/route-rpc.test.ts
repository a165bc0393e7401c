/** Protects routes that another process answers: a request arrives as it was, and so does what comes back. */
import { LokiError } from '@loki/model';
import type { HttpHandler, HttpRequest } from '@loki/ports';
import { eventually } from '@loki/test-tools';
import { RouteClient, serveRoutes } from './route-rpc.ts';
import { RulerClient, serveRuler } from './ruler-rpc.ts';
import { tenant, TestWorld } from './test/rpc.ts';

let world: TestWorld;
beforeEach(() => {
  world = new TestWorld();
});
afterEach(() => world.close());

const request: HttpRequest = {
  method: 'POST',
  path: '/loki/api/v1/rules/näme space',
  params: new Map([['namespace', 'näme space']]),
  queryText: 'a=b&a=c',
  headers: new Map([
    ['x-scope-orgid', 'acme'],
    ['content-type', 'application/yaml'],
  ]),
  body: Buffer.from([0, 1, 2, 255]),
  remoteAddress: '10.1.2.3',
  signal: new AbortController().signal,
};

async function client(handlers: Record<string, HttpHandler>, deadlineMs = 100_000): Promise<RouteClient> {
  const address = await world.serve((server) => serveRoutes(server, new Map(Object.entries(handlers))));
  return new RouteClient(world.channel(address), { deadlineMs });
}

test('a request arrives as it was, and its answer comes back as it was', async () => {
  let seen: HttpRequest | undefined;
  const routes = await client({
    rules: (got) => {
      seen = got;
      return { status: 202, headers: { 'X-Delete-Request-Id': 'ü' }, body: 'text' };
    },
    empty: () => ({ status: 204 }),
  });
  const answer = await routes.call('rules', request);
  expect(answer).toMatchObject({ status: 202, headers: { 'X-Delete-Request-Id': 'ü' } });
  expect(Buffer.from(answer.body as Uint8Array).toString()).toBe('text');
  const { signal: _, ...rest } = request;
  expect(seen).toMatchObject(rest);
  expect(seen!.params.get('namespace')).toBe('näme space');
  expect(await routes.call('empty', request)).toMatchObject({ status: 204, headers: {} });
});

test('an answer of many megabytes arrives whole', async () => {
  const body = Buffer.alloc(20 * 1024 * 1024, 'x');
  body[body.length - 1] = 0x79;
  const routes = await client({ large: () => ({ status: 200, body }) });
  const answer = await routes.call('large', request);
  expect(Buffer.compare(Buffer.from(answer.body as Uint8Array), body)).toBe(0);
});

test('failures keep their code and text; what nobody foresaw says nothing', async () => {
  const routes = await client({
    refused: () => {
      throw new LokiError('badRequest', 'query not set');
    },
    broken: () => {
      throw new TypeError('secret');
    },
  });
  await expect(routes.call('refused', request)).rejects.toMatchObject({
    code: 'badRequest',
    message: 'query not set',
  });
  await expect(routes.call('broken', request)).rejects.toMatchObject({
    code: 'internal',
    message: 'internal error',
  });
  await expect(routes.call('toString', request)).rejects.toMatchObject({ code: 'notFound' });
});

test('a client that goes away ends the work, and one that takes too long is given up', async () => {
  let started = 0;
  let ended = 0;
  const waits: HttpHandler = ({ signal }) =>
    new Promise((_, reject) => {
      started++;
      signal.addEventListener('abort', () => {
        ended++;
        reject(signal.reason as Error);
      });
    });
  const routes = await client({ waits });
  const gone = new AbortController();
  const answer = routes.call('waits', { ...request, signal: gone.signal });
  void eventually(() => started >= 1).then(() => gone.abort(new LokiError('clientGone', 'gone')));
  await expect(answer).rejects.toMatchObject({ code: 'clientGone' });
  await eventually(() => ended >= 1);
  const hurried = await client({ waits }, 1_000);
  await expect(hurried.call('waits', request)).rejects.toMatchObject({ code: 'unavailable' });
  await eventually(() => ended >= 2);
});

test('rulers ask each other for a tenant’s groups, and tell of changes', async () => {
  const changed: string[] = [];
  const address = await world.serve((server) =>
    serveRuler(server, {
      groups: async (of) => JSON.stringify([{ file: of, name: 'ü' }]),
      rulesChanged: async (of) => void changed.push(of),
    }),
  );
  const ruler = new RulerClient(world.channel(address));
  expect(JSON.parse(await ruler.groups(tenant))).toEqual([{ file: 'acme', name: 'ü' }]);
  await ruler.rulesChanged(tenant);
  expect(changed).toEqual(['acme']);
});
