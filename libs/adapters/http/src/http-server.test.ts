/**
 * Protects: clients get their answers from a server that fails or stops, and the server outlives odd clients.
 */
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { LokiError } from '@loki/model';
import { jsonResponse, textResponse } from '@loki/ports';
import { eventually } from '@loki/test-tools';
import { echo, logged, raw, send, start, stopAll, timers } from './test/server.ts';

afterEach(stopAll);

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
