/** Protects pushes: what a client sent reaches the distributor byte by byte, and its answer comes back. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { uncompressSync } from 'snappy';
import { LokiError, mib } from '@loki/model';
import type { DistributorService, HttpRequest, HttpResponse } from '@loki/ports';
import { encodePushRequest } from '@loki/proto';
import { eventually, ManualTime } from '@loki/test-tools';
import { PushClient } from './push-client.ts';
import { servePushes } from './push-server.ts';
import { asSnappy, pusherMethod, servePusher } from './pusher.ts';
import { tenant, TestWorld, timers } from './test/rpc.ts';

let world: TestWorld;
let clientTime: ManualTime;
let pushed: { tenant: string; request: HttpRequest }[];
let onPush: (request: HttpRequest) => Promise<HttpResponse>;
const distributor: DistributorService = {
  push: (who, request) => {
    pushed.push({ tenant: who, request });
    return onPush(request);
  },
};

beforeEach(() => {
  world = new TestWorld();
  clientTime = new ManualTime();
  pushed = [];
  onPush = async () => ({ status: 204 });
});
afterEach(() => world.close());

async function connect(inflightBytesMax = 64 * mib): Promise<PushClient> {
  const address = await world.serve((server) =>
    servePushes(server, distributor, { timers, bodyBytesMax: 16 * mib, inflightBytesMax }),
  );
  // No deadline passes because the machine is slow.
  const options = { timers: clientTime, deadlineMs: 30_000, connectMs: 60_000 };
  return new PushClient(world.channel(address), options);
}

function request(body: Buffer, signal = new AbortController().signal): HttpRequest {
  return {
    method: 'POST',
    path: '/loki/api/v1/push',
    params: new Map(),
    queryText: 'a=b',
    headers: new Map([
      ['content-type', 'application/json'],
      ['content-encoding', 'gzip'],
    ]),
    body,
    remoteAddress: '10.0.0.1',
    signal,
  };
}

test.each([0, 1, mib, mib + 1, 16 * mib])('a body of %d bytes arrives as it was sent', async (size) => {
  const client = await connect();
  const body = Buffer.alloc(size, 'some lines, over and over');
  onPush = async () => ({ status: 400, headers: { 'content-type': 'text/plain' }, body: 'no\n' });
  const answer = await client.push(tenant, request(body));
  expect(answer).toEqual({
    status: 400,
    headers: { 'content-type': 'text/plain' },
    body: Buffer.from('no\n'),
  });
  const { signal: _, ...sent } = request(body);
  expect(pushed[0].tenant).toBe('acme');
  expect(Buffer.compare(pushed[0].request.body, body)).toBe(0);
  expect({ ...pushed[0].request, body, signal: undefined }).toEqual({ ...sent, signal: undefined });
});

test.each([
  [204, 1],
  [429, 0],
  [500, 0],
])('after an answer %d the body is freed %d times', async (status, times) => {
  const client = await connect();
  onPush = async () => ({ status });
  const freeBody = jest.fn();
  await client.push(tenant, { ...request(Buffer.alloc(mib + 1)), freeBody });
  expect(freeBody).toHaveBeenCalledTimes(times);
});

test('many pushes at a time get each its own answer, whatever the order', async () => {
  const client = await connect();
  onPush = async ({ body: given }) => {
    await timers.sleep((given[0] * 7) % 20);
    return { status: 200, body: given };
  };
  const bodies = Array.from({ length: 200 }, (_, i) => Buffer.alloc(1 + i * 997, i));
  const answers = await Promise.all(bodies.map((body) => client.push(tenant, request(body))));
  answers.forEach((answer, i) => expect(Buffer.compare(answer.body as Buffer, bodies[i])).toBe(0));
});

test('a machine that takes a connection and says nothing more is given up long before the deadline', async () => {
  const silent = createServer((socket) => socket.unref()).listen(0, '127.0.0.1');
  try {
    await once(silent, 'listening');
    const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const client = new PushClient(world.channel(address), { timers, deadlineMs: 30_000, connectMs: 50 });
    const pushes = [1, 2].map((size) => client.push(tenant, request(Buffer.alloc(size))));
    for (const push of pushes) {
      await expect(push).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('no connection within 50 ms') as string,
      });
    }
    expect(client.inflight).toBe(0);
  } finally {
    silent.close();
  }
});

test('more than may be in flight waits instead of failing', async () => {
  const client = await connect(mib);
  let running = 0;
  let most = 0;
  onPush = async () => {
    most = Math.max(most, ++running);
    await timers.sleep(5);
    running--;
    return { status: 204 };
  };
  const body = Buffer.alloc(900_000);
  const answers = await Promise.all(Array.from({ length: 12 }, () => client.push(tenant, request(body))));
  expect(answers.every(({ status }) => status === 204)).toBe(true);
  expect(most).toBeLessThan(12);
});

test('a closed client finishes the pushes that it has begun, whoever of their clients leaves', async () => {
  const client = await connect();
  const gate = Promise.withResolvers<void>();
  onPush = async () => {
    await gate.promise;
    return { status: 204 };
  };
  const leaving = new AbortController();
  const abandoned = client
    .push(tenant, request(Buffer.alloc(1), leaving.signal))
    .catch((error: unknown) => error);
  const pushes = [1, 4 * mib, 2].map((size) => client.push(tenant, request(Buffer.alloc(size))));
  await eventually(() => pushed.length >= 2);
  client.close();
  leaving.abort(new LokiError('clientGone', 'gone'));
  expect(await abandoned).toMatchObject({ code: 'clientGone' });
  gate.resolve();
  for (const push of pushes) expect(await push).toMatchObject({ status: 204 });
});

test('a body beyond the limit is refused before it is taken', async () => {
  const client = await connect();
  const answer = await client.push(tenant, request(Buffer.alloc(16 * mib + 1)));
  expect(answer).toMatchObject({ status: 413 });
  expect(pushed).toEqual([]);
  expect(await client.push(tenant, request(Buffer.from('x')))).toMatchObject({ status: 204 });
});

test('what throws becomes an answer, and the stream goes on', async () => {
  const client = await connect();
  onPush = () => Promise.reject(new LokiError('overloaded', 'too much'));
  const answer = await client.push(tenant, request(Buffer.from('x')));
  expect(answer.status).toBe(503);
  expect(Buffer.from(answer.body!).toString()).toBe('too much\n');
  onPush = () => Promise.reject(new TypeError('oh'));
  expect(await client.push(tenant, request(Buffer.from('x')))).toMatchObject({ status: 500 });
});

test('a client that goes away is told to the distributor', async () => {
  const client = await connect();
  onPush = () => new Promise(() => {});
  const giveUp = new AbortController();
  const answer = client.push(tenant, request(Buffer.from('x'), giveUp.signal));
  answer.catch(() => undefined);
  await eventually(() => pushed.length >= 1);
  const reason = new Error('left');
  giveUp.abort(reason);
  await expect(answer).rejects.toBe(reason);
  await eventually(() => pushed[0].request.signal.aborted);
  onPush = async () => ({ status: 204 });
  expect(await client.push(tenant, request(Buffer.from('x')))).toMatchObject({ status: 204 });
});

test('a push that takes too long is given up as unavailable', async () => {
  const client = await connect();
  onPush = () => new Promise(() => {});
  const answer = client.push(tenant, request(Buffer.from('x')));
  await eventually(() => pushed.length >= 1);
  clientTime.pass(30_000);
  await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
  await eventually(() => pushed[0].request.signal.aborted);
});

test('a distributor that dies fails what is under way, and one that never was what comes', async () => {
  const client = await connect();
  onPush = () => new Promise(() => {});
  const answer = client.push(tenant, request(Buffer.from('x')));
  answer.catch(() => undefined);
  await eventually(() => pushed.length >= 1);
  await world.kill();
  await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
  await expect(client.push(tenant, request(Buffer.from('x')))).rejects.toMatchObject({
    code: 'unavailable',
  });
});

describe('logproto.Pusher', () => {
  const message = encodePushRequest({
    streams: [{ labels: '{app="a"}', entries: [{ timestampNs: 1n, line: 'hello' }] }],
  });

  async function push(who?: typeof tenant): Promise<Buffer> {
    const address = await world.serve((server) => servePusher(server, distributor, (ofCall) => ofCall()));
    return world.channel(address).unary(pusherMethod as never, message as never, { tenant: who });
  }

  test('a push reaches the distributor as the same bytes, compressed as over HTTP', async () => {
    expect(await push(tenant)).toEqual(Buffer.alloc(0));
    expect(pushed[0].tenant).toBe('acme');
    expect(uncompressSync(pushed[0].request.body)).toEqual(message);
  });

  test('a refusal has its code and text', async () => {
    onPush = async () => ({ status: 429, body: 'Ingestion rate limit exceeded\n' });
    await expect(push(tenant)).rejects.toMatchObject({
      code: 'rateLimited',
      message: 'Ingestion rate limit exceeded',
    });
  });

  test('a push without a tenant is refused', async () => {
    await expect(push()).rejects.toMatchObject({ code: 'noOrgId', message: 'no org id' });
  });

  test.each([0, 1, 127, 128, 70_000])('%d bytes as a snappy literal', (size) => {
    const bytes = Buffer.alloc(size, 'ab');
    expect(uncompressSync(asSnappy(bytes))).toEqual(bytes);
  });
});
