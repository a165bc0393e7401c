/** Protects: a WebSocket is checked like a request, delivers in order, and ends when either side leaves. */
import WebSocket from 'ws';
import { LokiError } from '@loki/model';
import { eventually } from '@loki/test-tools';
import { echo, send, start, stopAll, timers } from './test/server.ts';
import type { Answer } from './test/server.ts';

afterEach(stopAll);

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
