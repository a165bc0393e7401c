/** Protects: a body arrives whole, within the room that all tenants share. */
import { connect } from 'node:net';
import { textResponse } from '@loki/ports';
import { eventually, ManualTime } from '@loki/test-tools';
import { echo, pushesInflight, raw, send, start, stopAll } from './test/server.ts';
import type { Answer } from './test/server.ts';

afterEach(stopAll);

/** A server that answers no push before `release`. */
async function startHolding(inflightBodyBytesMax: number, timers: ManualTime) {
  const held = Promise.withResolvers<void>();
  let begun = 0;
  const { port } = await start(
    (server) =>
      server.handle('push', async () => {
        begun++;
        await held.promise;
        return { status: 204 };
      }),
    { inflightBodyBytesMax, timers },
  );
  return { port, begunCount: () => begun, release: () => held.resolve() };
}

describe('bodies', () => {
  test('arrive whole, also in chunks of unknown number', async () => {
    const { port } = await start((server) =>
      server.handle('push', (request) => textResponse(`${request.body.length}`)),
    );
    const body = Buffer.alloc(300_000, 'x');
    expect((await send(port, '/loki/api/v1/push', { method: 'POST', body })).text).toBe('300000');
    const chunked = await send(port, '/loki/api/v1/push', {
      method: 'POST',
      body,
      headers: { 'transfer-encoding': 'chunked' },
    });
    expect(chunked.text).toBe('300000');
  });

  test.each([{}, { 'transfer-encoding': 'chunked' }])(
    'beyond the route’s bound they are refused: %j',
    async (headers) => {
      let called = false;
      const { port } = await start((server) =>
        server.handle('query', () => {
          called = true;
          return textResponse('');
        }),
      );
      const answer = await send(port, '/loki/api/v1/query', {
        method: 'POST',
        body: Buffer.alloc(2000),
        headers: headers as Record<string, string>,
      });
      expect(answer).toMatchObject({ status: 413, headers: { connection: 'close' } });
      expect(answer.text).toBe('request body too large, limit: 1024 bytes');
      expect(called).toBe(false);
    },
  );

  test('together they are bounded: overload is told, and passes', async () => {
    const time = new ManualTime();
    const { port, begunCount, release } = await startHolding(1500, time);
    const post = () => send(port, '/loki/api/v1/push', { method: 'POST', body: Buffer.alloc(800) });
    const first = post();
    await eventually(() => begunCount() >= 1);
    expect(await time.passUntil(post(), 100)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    release();
    expect(await first).toMatchObject({ status: 204, text: '' });
    expect(await post()).toMatchObject({ status: 204 });
  });

  test('beyond their room they wait until others are answered, each tenant in turn', async () => {
    const held: (() => void)[] = [];
    const served: string[] = [];
    const { port, metrics } = await start(
      (server) =>
        server.handle('push', async (request) => {
          served.push(request.headers.get('x-scope-orgid')!);
          await new Promise<void>((resolve) => held.push(resolve));
          return { status: 204 };
        }),
      { inflightBodyBytesMax: 1_200_000, timers: new ManualTime() },
    );
    const posts: Promise<Answer>[] = [];
    for (const tenant of ['a', 'a', 'a', 'a', 'a', 'b', 'b']) {
      const headers = { 'x-scope-orgid': tenant };
      posts.push(send(port, '/loki/api/v1/push', { method: 'POST', body: Buffer.alloc(300_000), headers }));
      await eventually(async () => (await pushesInflight(metrics)) >= posts.length);
    }
    // The room of one is free for others: what they send does not stand behind the five.
    expect(served.slice(0, 3)).toEqual(['a', 'a', 'a']);
    for (let answered = 0; answered < posts.length; answered++) {
      (await eventually(() => held.shift()))();
    }
    expect((await Promise.all(posts)).map(({ status }) => status)).toEqual(posts.map(() => 204));
    expect(served.indexOf('b')).toBeLessThan(5);
  });

  test('of one tenant they leave room for those of another', async () => {
    const time = new ManualTime();
    const { port, begunCount, release } = await startHolding(4000, time);
    const post = (tenant: string, bytes: number) =>
      send(port, '/loki/api/v1/push', {
        method: 'POST',
        body: Buffer.alloc(bytes),
        headers: { 'x-scope-orgid': tenant },
      });
    const first = [post('a', 1500), post('a', 1500)];
    await eventually(() => begunCount() >= 2);
    expect(await time.passUntil(post('a', 100), 100)).toMatchObject({ status: 503 });
    const other = post('b', 700);
    await eventually(() => begunCount() >= 3);
    release();
    expect(await other).toMatchObject({ status: 204 });
    expect(await Promise.all(first)).toMatchObject([{ status: 204 }, { status: 204 }]);
    expect(await post('a', 3000)).toMatchObject({ status: 204 });
  });

  test('a large one that stops coming is refused, and its room is free again', async () => {
    const time = new ManualTime();
    const { port, metrics } = await start((server) => server.handle('push', () => ({ status: 204 })), {
      inflightBodyBytesMax: 400_000,
      timers: time,
    });
    const isBegun = async () => (await pushesInflight(metrics)) > 0;
    const head = (bytes: number) =>
      `POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`;
    const post = (bytes: number) =>
      send(port, '/loki/api/v1/push', { method: 'POST', body: Buffer.alloc(bytes) });
    const stopped = raw(port, `${head(300_000)}${'x'.repeat(200_000)}`);
    await eventually(isBegun);
    expect(await time.passUntil(post(200_000), 100)).toMatchObject({ status: 503 });
    expect(await time.passUntil(stopped, 100)).toMatch(/^HTTP\/1.1 408 /);
    expect(await post(290_000)).toMatchObject({ status: 204 });
    // A small one may take its time.
    const slow = connect(port, '127.0.0.1', () => slow.write(`${head(2000)}x`));
    const answer = new Promise<string>((resolve) => slow.once('data', (chunk) => resolve(String(chunk))));
    await eventually(isBegun);
    time.pass(30_000);
    slow.write('x'.repeat(1999));
    expect(await answer).toMatch(/^HTTP\/1.1 204 /);
    slow.destroy();
  });

  test.each([
    ['X-Scope-OrgID: a', 'x-scope-orgid: b', '"x-scope-orgid":"a, b"'],
    ['X-Scope-OrgID: a', 'x-scope-orgid: a', '"x-scope-orgid":"a"'],
    ['Content-Type: application/json', 'content-type: text/plain', '"content-type":"application/json"'],
    ['Content-Encoding: gzip', 'content-encoding: snappy', '"content-encoding":"gzip"'],
    ['Content-Encoding: gzip', 'content-encoding: gzip', '"content-encoding":"gzip"'],
  ])('of %s and %s, the handler sees %s', async (first, second, header) => {
    const { port } = await start((server) => server.handle('labels', echo));
    const text = await raw(
      port,
      `GET /loki/api/v1/labels HTTP/1.1\r\nHost: x\r\n${first}\r\n${second}\r\nConnection: close\r\n\r\n`,
    );
    expect(text).toContain(header);
  });
});
