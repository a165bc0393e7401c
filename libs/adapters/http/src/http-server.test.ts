/**
 * Protects clients from a server that loses their bodies or answers, and the server from clients that are
 * odd, slow or gone.
 */
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import WebSocket from 'ws';
import { LokiError } from '@loki/model';
import { jsonResponse, textResponse } from '@loki/ports';
import { eventually, ManualTime } from '@loki/test-tools';
import {
  echo,
  logged,
  pushesInflight,
  raw,
  send,
  standstill,
  start,
  stopAll,
  timers,
} from './test/server.ts';
import type { Answer } from './test/server.ts';

afterEach(stopAll);

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
    const held = Promise.withResolvers<void>();
    let begun = 0;
    const { port } = await start(
      (server) =>
        server.handle('push', async () => {
          begun++;
          await held.promise;
          return { status: 204 };
        }),
      { inflightBodyBytesMax: 1500, timers: time },
    );
    const post = () => send(port, '/loki/api/v1/push', { method: 'POST', body: Buffer.alloc(800) });
    const first = post();
    await eventually(() => begun >= 1);
    expect(await time.passUntil(post(), 100)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    held.resolve();
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
    const held = Promise.withResolvers<void>();
    let begun = 0;
    const { port } = await start(
      (server) =>
        server.handle('push', async () => {
          begun++;
          await held.promise;
          return { status: 204 };
        }),
      { inflightBodyBytesMax: 4000, timers: time },
    );
    const post = (tenant: string, bytes: number) =>
      send(port, '/loki/api/v1/push', {
        method: 'POST',
        body: Buffer.alloc(bytes),
        headers: { 'x-scope-orgid': tenant },
      });
    const first = [post('a', 1500), post('a', 1500)];
    await eventually(() => begun >= 2);
    expect(await time.passUntil(post('a', 100), 100)).toMatchObject({ status: 503 });
    const other = post('b', 700);
    await eventually(() => begun >= 3);
    held.resolve();
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

describe('answers', () => {
  test('catalogue errors are plain text with their status; others tell nothing', async () => {
    const { port, metrics } = await start((server) => {
      server.handle('query', () => {
        throw new LokiError('badRequest', 'parse error');
      });
      server.handle('labels', () => Promise.reject(new LokiError('overloaded', 'busy')));
      server.handle('series', () => {
        throw new Error('password=hunter2');
      });
    });
    const bad = await send(port, '/loki/api/v1/query');
    expect(bad).toMatchObject({ status: 400, text: 'parse error' });
    expect(bad.headers['x-content-type-options']).toBe('nosniff');
    expect(await send(port, '/loki/api/v1/labels')).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
    });
    expect(await send(port, '/loki/api/v1/series')).toMatchObject({ status: 500, text: 'internal error' });
    expect(logged.join()).toContain('hunter2');
    expect(await metrics.text()).toMatch(/^loki_panic_total 1$/m);
  });

  test.each([
    ['query', '/loki/api/v1/query', 'badRequest', ''],
    ['queryLegacy', '/api/prom/query', 'badRequest', ''],
    ['indexVolume', '/loki/api/v1/index/volume', 'notFound', ''],
    ['labels', '/loki/api/v1/labels', 'badTenantId', ''],
    // Errors before the query frontend receives the request, or of other components: as Go's http.Error.
    ['labels', '/loki/api/v1/labels', 'noOrgId', '\n'],
    ['rules', '/loki/api/v1/rules', 'notFound', '\n'],
    ['ring', '/ring', 'internal', '\n'],
  ] as const)('an error of %s ends as in Loki (%s, %s)', async (route, path, code, end) => {
    const { port } = await start((server) =>
      server.handle(route, () => {
        throw new LokiError(code, 'text');
      }),
    );
    expect((await send(port, path)).text).toBe(`text${end}`);
  });

  test('an answer that cannot be written costs its connection, not the process', async () => {
    const { port } = await start((server) => {
      server.handle('query', () => ({ status: 200, headers: { 'x-id': 'a\nb' } }));
      server.handle('labels', echo);
    });
    await expect(send(port, '/loki/api/v1/query')).rejects.toThrow('hang up');
    expect((await send(port, '/loki/api/v1/labels')).status).toBe(200);
    expect(logged.join()).toContain('answering failed');
  });

  test('JSON is escaped as Go does', async () => {
    const { port } = await start((server) =>
      server.handle('labels', () => jsonResponse({ a: '<b>&\u2028' })),
    );
    const answer = await send(port, '/loki/api/v1/labels');
    expect(answer.text).toBe('{"a":"\\u003cb\\u003e\\u0026\\u2028"}\n');
    expect(answer.headers['content-type']).toBe('application/json; charset=UTF-8');
  });

  test('large ones are compressed for those who ask, and only for them', async () => {
    const { port } = await start((server) => {
      server.handle('labels', () => jsonResponse('x'.repeat(5000)));
      server.handle('label', () => jsonResponse('x'));
    });
    const gzip = { 'accept-encoding': 'br, gzip' };
    const compressed = await send(port, '/loki/api/v1/labels', { headers: gzip });
    expect(compressed.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(compressed.body).toString()).toBe(`"${'x'.repeat(5000)}"\n`);
    expect((await send(port, '/loki/api/v1/labels')).headers['content-encoding']).toBeUndefined();
    expect(
      (await send(port, '/loki/api/v1/label', { headers: gzip })).headers['content-encoding'],
    ).toBeUndefined();
    const refused = await send(port, '/loki/api/v1/labels', { headers: { 'accept-encoding': 'gzip;q=0' } });
    expect(refused.headers['content-encoding']).toBeUndefined();
  });

  test('a client that leaves aborts its request', async () => {
    let signal: AbortSignal | undefined;
    const { port } = await start((server) =>
      server.handle('query', (request) => {
        signal = request.signal;
        return new Promise(() => undefined);
      }),
    );
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET /loki/api/v1/query HTTP/1.1\r\nHost: x\r\n\r\n'),
    );
    await eventually(() => signal !== undefined);
    socket.destroy();
    await eventually(() => signal!.aborted);
  });

  test('a client that writes no more once its push is sent gets its answer', async () => {
    const { port } = await start((server) =>
      server.handle('push', async ({ body }) => {
        await timers.sleep(50);
        return textResponse(body.toString());
      }),
    );
    const answer = await new Promise<string>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
        socket.end('POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nlines'),
      );
      let received = '';
      socket.on('data', (chunk) => (received += chunk.toString()));
      socket.on('end', () => resolve(received));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK[^]*lines$/);
  });

  test('bytes that are no HTTP and headers beyond all bounds are refused', async () => {
    const { port } = await start(() => undefined);
    expect(await raw(port, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 Bad Request/);
    expect(await raw(port, `GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(200_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
  });

  test('requests are counted under Loki’s route names', async () => {
    const { port, metrics } = await start((server) => server.handle('labelValues', echo));
    await send(port, '/loki/api/v1/label/app/values');
    await send(port, '/whatever');
    await eventually(async () => /^loki_tcp_connections\{protocol="http"\} 0$/m.test(await metrics.text()));
    const text = await metrics.text();
    expect(text).toMatch(
      /^loki_request_duration_seconds_count\{method="GET",route="loki_api_v1_label_name_values",status_code="200",ws="false"\} 1$/m,
    );
    expect(text).toMatch(/^loki_request_duration_seconds_count\{.*route="other",status_code="404".*\} 1$/m);
    expect(text).toMatch(/^loki_inflight_requests\{method="GET",route="other"\} 0$/m);
  });
});

describe('stopping', () => {
  test('running requests finish, new connections are refused', async () => {
    const held = Promise.withResolvers<void>();
    let isBegun = false;
    const { port, server } = await start((each) =>
      each.handle('query', async () => {
        isBegun = true;
        await held.promise;
        return textResponse('done');
      }),
    );
    const running = send(port, '/loki/api/v1/query');
    await eventually(() => isBegun);
    const stopped = server.stop(60_000);
    await expect(send(port, '/loki/api/v1/query')).rejects.toThrow('ECONNREFUSED');
    held.resolve();
    expect(await running).toMatchObject({ text: 'done', headers: { connection: 'close' } });
    await stopped;
  });

  test('requests beyond the deadline are cut', async () => {
    let isBegun = false;
    const { port, server } = await start((each) =>
      each.handle('query', () => {
        isBegun = true;
        return new Promise(() => undefined);
      }),
    );
    const running = send(port, '/loki/api/v1/query');
    running.catch(() => undefined);
    await eventually(() => isBegun);
    await server.stop(50);
    await expect(running).rejects.toThrow();
  });
});

describe('WebSockets', () => {
  const url = (port: number, path = '/loki/api/v1/tail?query=x') => `ws://127.0.0.1:${port}${path}`;

  test('a plain request is a bad one, other upgrades are no upgrades', async () => {
    const { port } = await start((server) => {
      server.upgrade('tail', () => () => Promise.resolve());
      server.handle('labels', echo);
    });
    expect(await send(port, '/loki/api/v1/tail')).toMatchObject({ status: 400, text: 'Bad Request\n' });
    const h2c = await send(port, '/loki/api/v1/labels', {
      headers: { connection: 'Upgrade', upgrade: 'h2c' },
    });
    expect(h2c.status).toBe(200);
  });

  test('a plain request is refused for what an upgrade would be refused for', async () => {
    const { port } = await start((server) =>
      server.upgrade('tail', () => {
        throw new LokiError('noOrgId', 'no org id');
      }),
    );
    expect(await send(port, '/loki/api/v1/tail')).toMatchObject({ status: 401, text: 'no org id\n' });
  });

  test('a failure before the upgrade is a plain answer', async () => {
    const { port } = await start((server) =>
      server.upgrade('tail', () => {
        throw new LokiError('badRequest', 'parse error');
      }),
    );
    const socket = new WebSocket(url(port));
    const answer = await new Promise<Answer>((resolve) => {
      socket.on('unexpected-response', (_request, response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, text, body: Buffer.alloc(0) }),
        );
      });
      socket.on('error', () => undefined);
    });
    expect(answer).toMatchObject({ status: 400, text: 'parse error\n' });
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
  });

  test('frames arrive in order, the server pings, and closes with its reason', async () => {
    const { port } = await start((server) =>
      server.upgrade('tail', (request) => async (socket) => {
        await socket.send(request.queryText);
        await socket.send('two');
        await timers.sleep(1200);
        socket.close(1011, 'reached tail max duration limit');
      }),
    );
    const client = new WebSocket(url(port));
    const frames: string[] = [];
    let pings = 0;
    client.on('message', (data: Buffer) => frames.push(data.toString()));
    client.on('ping', () => pings++);
    const closed = await new Promise<string>((resolve) =>
      client.on('close', (code, reason) => resolve(`${code} ${reason.toString()}`)),
    );
    expect(frames).toEqual(['query=x', 'two']);
    expect(pings).toBeGreaterThan(0);
    expect(closed).toBe('1011 reached tail max duration limit');
  });

  test('the handler learns that the client has gone; a client that talks too much is cut', async () => {
    let ended = 0;
    const { port } = await start((server) =>
      server.upgrade('tail', () => async (socket) => {
        await new Promise((resolve) => socket.signal.addEventListener('abort', resolve));
        ended++;
      }),
    );
    const leaving = new WebSocket(url(port));
    leaving.on('open', () => leaving.terminate());
    const talking = new WebSocket(url(port));
    talking.on('open', () => talking.send('x'.repeat(10_000)));
    talking.on('error', () => undefined);
    await new Promise((resolve) => talking.on('close', resolve));
    await eventually(() => ended >= 2);
  });

  test('stopping closes open sockets', async () => {
    const { port, server } = await start((each) =>
      each.upgrade(
        'tail',
        () => (socket) => new Promise((resolve) => socket.signal.addEventListener('abort', () => resolve())),
      ),
    );
    const client = new WebSocket(url(port));
    await new Promise((resolve) => client.on('open', resolve));
    const code = new Promise<number>((resolve) => client.on('close', resolve));
    await server.stop(1000);
    expect(await code).toBe(1001);
  });
});

test('before it stops, the server answers, and lets clients keep no connection', async () => {
  const { port, server } = await start((each) => each.handle('push', () => ({ status: 204 })));
  const agent = new Agent({ keepAlive: true });
  try {
    const push = () => send(port, '/loki/api/v1/push', { method: 'POST', body: Buffer.from('x'), agent });
    expect(await push()).toMatchObject({ status: 204, headers: { connection: 'keep-alive' } });
    server.isDraining = true;
    expect(await push()).toMatchObject({ status: 204, headers: { connection: 'close' } });
    expect(await push()).toMatchObject({ status: 204, headers: { connection: 'close' } });
  } finally {
    agent.destroy();
  }
});

describe('answers that are made while they are sent', () => {
  const piece = 'x'.repeat(65_536);
  const ndjson = { 'content-type': 'application/x-ndjson' };

  test.each(['identity', 'gzip'])('all pieces arrive, as %s', async (coding) => {
    async function* pieces() {
      for (let i = 0; i < 20; i++) yield Promise.resolve(piece);
    }
    const { port } = await start((server) =>
      server.handle('query', () => ({ status: 200, headers: ndjson, stream: pieces() })),
    );
    const answer = await send(port, '/loki/api/v1/query', { headers: { 'accept-encoding': coding } });
    expect(answer.headers['transfer-encoding']).toBe('chunked');
    const isPacked = answer.headers['content-encoding'] === 'gzip';
    expect(isPacked).toBe(coding === 'gzip');
    const body = isPacked ? gunzipSync(answer.body) : answer.body;
    expect(body.length).toBe(20 * piece.length);
  });

  /** Opens a request and reads nothing of its answer until told so. */
  function open(port: number): ReturnType<typeof connect> {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET /loki/api/v1/query HTTP/1.1\r\nhost: a\r\n\r\n'),
    );
    socket.on('error', () => undefined);
    return socket.pause();
  }

  test('no more is made than a client takes, and nothing once it is gone', async () => {
    let made = 0;
    let isEnded = false;
    async function* pieces() {
      try {
        for (;;) {
          made++;
          yield Promise.resolve(piece);
        }
      } finally {
        isEnded = true;
      }
    }
    const { port } = await start((server) =>
      server.handle('query', () => ({ status: 200, headers: ndjson, stream: pieces() })),
    );
    const client = open(port);
    // It stands still once the buffers are full, whenever that is.
    const stalledAt = await standstill(() => made);
    // No more than the kernel's buffers of both ends hold.
    expect(stalledAt * piece.length).toBeLessThan(32 * 1024 * 1024);
    client.destroy();
    await eventually(() => isEnded);
  });

  test('a client that takes nothing for too long is cut', async () => {
    let isEnded = false;
    async function* pieces() {
      try {
        for (;;) yield Promise.resolve(piece);
      } finally {
        isEnded = true;
      }
    }
    const { port } = await start(
      (server) => server.handle('query', () => ({ status: 200, headers: ndjson, stream: pieces() })),
      { writeTimeoutMs: 200 },
    );
    const client = open(port);
    const closed = new Promise((resolve) => client.once('close', resolve));
    await eventually(() => isEnded);
    client.resume();
    await closed;
  });

  test.each(['identity', 'gzip'])(
    'a failure on the way cuts the connection after what was sent, as %s',
    async (coding) => {
      async function* pieces() {
        yield Promise.resolve('first');
        throw new LokiError('unavailable', 'no more');
      }
      const { port } = await start((server) =>
        server.handle('query', () => ({ status: 200, headers: ndjson, stream: pieces() })),
      );
      const text = await raw(
        port,
        `GET /loki/api/v1/query HTTP/1.1\r\nhost: a\r\naccept-encoding: ${coding}\r\n\r\n`,
      );
      expect(text).toContain('200 OK');
      if (coding === 'identity') expect(text).toContain('first');
      expect(text).not.toMatch(/\r\n0\r\n\r\n$/);
      expect(logged).toEqual(['an answer was cut short']);
    },
  );
});
