/**
 * Protects a busy process from clients that push again at once, and all others from waiting with them:
 * connections of proxies, and those that carry other requests as well, are read at any time.
 */
import fs from 'node:fs';
import { Agent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { textResponse } from '@loki/ports';
import { certify, eventually } from '@loki/test-tools';
import type { HttpTls } from './http-server-options.ts';
import { send, start, stopAll } from './test/server.ts';

afterEach(stopAll);

const noisy = { 'x-scope-orgid': 'noisy' };
const quiet = { 'x-scope-orgid': 'quiet' };

const onLinux = process.platform === 'linux' ? test : test.skip;

interface Busy {
  readonly tls?: HttpTls;
  /** The address of the clients has no other requests than the pushes of the tenant. */
  readonly isAgentsAddress?: boolean;
}

/** A server that is busy with pushes of one tenant. On its clock no connection rests for too long. */
async function busyServer({ tls, isAgentsAddress = false }: Busy = {}) {
  const received: string[] = [];
  const noise = { isOver: false };
  const held = Promise.withResolvers<void>();
  const { port } = await start(
    (server) => {
      server.handle('push', async ({ body }) => {
        received.push(body.toString());
        if (body.toString() === 'held') await held.promise;
        return { status: 204 };
      });
      server.handle('ready', () => ({ status: 200 }));
      server.guard(['push'], {
        isBusy: (holder) => holder === 'noisy' && !noise.isOver,
        holderOf: ({ headers }) => headers.get('x-scope-orgid') ?? '',
        refusal: () => ({ status: 503 }),
      });
    },
    { clock: { nowMs: () => 0, nowNs: () => 0n, monotonicMs: () => 0 }, idleTimeoutMs: 60_000, tls },
  );
  /** Pushes and asks on a connection of its own. */
  const client = (localAddress?: string) => {
    const options = { keepAlive: true, maxSockets: 1, localAddress };
    const agent = tls ? new TlsAgent({ ...options, rejectUnauthorized: false }) : new Agent(options);
    const push = (body: string, headers: Record<string, string> = noisy) =>
      send(port, '/loki/api/v1/push', { method: 'POST', body, agent, headers });
    return { push, ready: () => send(port, '/ready', { agent }), agent };
  };
  const other = client();
  if (!isAgentsAddress) await other.ready();
  const pending = other.push('held');
  await eventually(() => received.length >= 1);
  const end = async (...clients: (typeof other)[]): Promise<void> => {
    held.resolve();
    await pending;
    for (const { agent } of [other, ...clients]) agent.destroy();
  };
  return { received, noise, client, end };
}

/** The certificate of a server. */
function certificate(): HttpTls {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'push-floods-'));
  certify(directory, 'ca', ['server']);
  const read = (name: string) => fs.readFileSync(path.join(directory, name));
  const tls = { cert: read('server.crt'), key: read('server.key') };
  fs.rmSync(directory, { recursive: true });
  return tls;
}

test.each([
  ['', undefined],
  [' by TLS', certificate],
])('a push%s is read once its tenant has few others; one of another tenant does not wait', async (_, tls) => {
  const { received, noise, client, end } = await busyServer({ tls: tls?.() });
  const [one, another] = [client(), client()];
  await one.push('first');
  const second = one.push('second');
  for (let i = 0; i < 5; i++) await another.push('other', quiet);
  expect(received.slice(1)).toEqual(['first', ...Array.from({ length: 5 }, () => 'other')]);
  noise.isOver = true;
  expect(await second).toMatchObject({ status: 204 });
  await end(one, another);
});

test('a client that goes away while its connection rests is not waited for', async () => {
  const { noise, client, end } = await busyServer();
  const [one, another] = [client(), client()];
  await Promise.all([one.push('one'), another.push('another')]);
  one.agent.destroy();
  const second = another.push('second');
  noise.isOver = true;
  expect(await second).toMatchObject({ status: 204 });
  await end(another);
});

onLinux('a new connection of an agent waits like the others; one from another address does not', async () => {
  const { received, noise, client, end } = await busyServer({ isAgentsAddress: true });
  const [one, another] = [client(), client('127.0.0.2')];
  const first = one.push('first');
  for (let i = 0; i < 5; i++) await another.push('other', quiet);
  expect(received).toEqual(['held', ...Array.from({ length: 5 }, () => 'other')]);
  noise.isOver = true;
  expect(await first).toMatchObject({ status: 204 });
  await end(one, another);
});

test.each([
  ['of a proxy', async ({ push }) => push('first', { ...noisy, 'x-forwarded-for': '10.0.0.7' })],
  ['that asks for something else first', async ({ ready }) => ready()],
  ['that pushes for another tenant first', async ({ push }) => push('first', quiet)],
] satisfies [string, (client: ReturnType<Awaited<ReturnType<typeof busyServer>>['client']>) => unknown][])(
  'a connection %s is read at any time',
  async (_, before) => {
    const { client, end } = await busyServer();
    const one = client();
    await before(one);
    await one.push('second');
    expect(await one.push('third')).toMatchObject({ status: 204 });
    expect(await one.ready()).toMatchObject({ status: 200 });
    await end(one);
  },
);

test.each([
  [200_000, 'keep-alive'],
  [900_000, 'close'],
])('a body of %d bytes that finds no place reaches no handler; connection: %s', async (bytes, connection) => {
  const received: number[] = [];
  const held = Promise.withResolvers<void>();
  // A connection rests for 5 s after a refusal: a tenth of a second here.
  const clock = { nowMs: () => 0, nowNs: () => 0n, monotonicMs: () => 50 * performance.now() };
  const { port } = await start(
    (server) => {
      server.handle('push', async ({ body }) => {
        received.push(body.length);
        await held.promise;
        return textResponse('');
      });
      server.guard(['push'], {
        isBusy: () => false,
        holderOf: ({ headers }) => headers.get('x-scope-orgid') ?? '',
        refusal: () => textResponse('full', 503),
      });
    },
    { clock, idleTimeoutMs: 60_000 },
  );
  // All places of this tenant.
  const others = Array.from({ length: 256 }, () =>
    send(port, '/loki/api/v1/push', { method: 'POST', body: 'full' }),
  );
  await eventually(() => received.length >= 256);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const post = (length: number) =>
    send(port, '/loki/api/v1/push', { method: 'POST', body: Buffer.alloc(length), agent });
  const headers = { connection };
  for (let i = 0; i < 3; i++) {
    expect(await post(bytes)).toMatchObject({ status: 503, text: 'full', headers });
  }
  const headersOfOther = { 'x-scope-orgid': 'other' };
  const other = send(port, '/loki/api/v1/push', { method: 'POST', body: 'other', headers: headersOfOther });
  await eventually(() => received.length >= 257);
  held.resolve();
  expect(await other).toMatchObject({ status: 200 });
  await Promise.all(others);
  expect(await post(6)).toMatchObject({ status: 200 });
  expect(received.slice(256)).toEqual([5, 6]);
  agent.destroy();
});
