/**
 * Protects the process from a connection that sends many requests ahead and takes no answers, or has gone.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { textResponse } from '@loki/ports';
import { eventually } from '@loki/test-tools';
import { raw, standstill, start, stopAll } from './test/server.ts';

afterEach(stopAll);

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;

async function opened(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

test('requests sent ahead are served one at a time, in their order', async () => {
  const served: string[] = [];
  let running = 0;
  let runningMost = 0;
  const { port } = await start((server) =>
    server.handle('labelValues', async ({ params }) => {
      runningMost = Math.max(runningMost, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      served.push(params.get('name')!);
      return textResponse(`answer ${params.get('name')}\n`);
    }),
  );
  const path = (i: number) => `/loki/api/v1/label/n${i}/values`;
  const requests = Array.from({ length: 20 }, (_, i) => get(path(i))).join('');
  const answers = await raw(port, requests + get(path(20), 'connection: close\r\n'));
  const expected = Array.from({ length: 21 }, (_, i) => `n${i}`);
  expect(served).toEqual(expected);
  expect(answers.match(/answer n\d+/g)).toEqual(expected.map((name) => `answer ${name}`));
  expect(runningMost).toBe(1);
});

test('of a client that takes no answer few requests are served, and none after it has hung up', async () => {
  let served = 0;
  const { port } = await start((server) =>
    server.handle('config', () => {
      served++;
      return textResponse('x'.repeat(1 << 20));
    }),
  );
  const socket = await opened(port);
  socket.pause().write(get('/config').repeat(60));
  // As many as the buffers of two kernels hold.
  const stalledAt = await standstill(() => served);
  expect(stalledAt).toBeLessThan(20);
  socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(served).toBeLessThanOrEqual(stalledAt + 1);
});

test('a connection with too many requests ahead is closed after those before', async () => {
  let served = 0;
  const { port } = await start((server) =>
    server.handle('ready', async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      served++;
      return textResponse('ready\n');
    }),
  );
  const answers = await raw(port, get('/ready').repeat(1000));
  expect(answers.match(/200 OK/g)).toHaveLength(65);
  expect(served).toBe(65);
});

test('an upgrade behind a request that is not answered yet ends the connection', async () => {
  let upgrades = 0;
  const { port } = await start((server) => {
    server.handle('ready', () => new Promise(() => undefined));
    server.upgrade('tail', () => {
      upgrades++;
      return async () => undefined;
    });
  });
  const upgrade =
    'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
  const socket = await opened(port);
  let isClosed = false;
  socket.once('close', () => (isClosed = true)).resume();
  socket.write(get('/ready') + get('/loki/api/v1/tail', upgrade));
  await eventually(() => isClosed);
  expect(upgrades).toBe(0);
});
