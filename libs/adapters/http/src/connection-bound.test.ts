/**
 * Protects the process from clients that take all descriptors: those beyond the bound are refused and told
 * so, the operator reads it in the log, and places that become free are given again.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { textResponse } from '@loki/ports';
import { eventually, ManualTime } from '@loki/test-tools';
import { logged, raw, send, start, stopAll } from './test/server.ts';

const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await stopAll();
});

async function idle(port: number, count: number): Promise<Socket[]> {
  const opened = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Socket>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => resolve(socket));
          socket.on('error', () => undefined);
        }),
    ),
  );
  sockets.push(...opened);
  return opened;
}

const request = 'GET /ready HTTP/1.1\r\nhost: x\r\n\r\n';

test('clients beyond the bound are answered 503, counted and told once; a free place is given again', async () => {
  const { port, metrics } = await start((server) => server.handle('ready', () => textResponse('ready')), {
    connectionsMax: 3,
  });
  const [first] = await idle(port, 3);
  await eventually(async () => (await metrics.text()).includes('loki_tcp_connections{protocol="http"} 3'));
  for (let i = 0; i < 2; i++) {
    const answer = await raw(port, request);
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
    expect(answer.toLowerCase()).toContain('retry-after: 1');
    expect(answer).toContain('too many connections');
  }
  expect(logged).toEqual([
    'HTTP connections are refused: the process has reached its maximum of open connections',
  ]);
  expect(await metrics.text()).toContain('loki_http_connections_refused_total 2');
  first.destroy();
  await eventually(async () => (await send(port, '/ready')).status === 200);
});

test('refused clients without a request are disconnected', async () => {
  const time = new ManualTime();
  const { port } = await start(() => {}, { connectionsMax: 1, timers: time });
  await idle(port, 1);
  const silent = await idle(port, 20);
  const isCut = (): boolean[] => silent.map((socket) => socket.closed || socket.readableEnded);
  // A bounded number of them may wait; the others go at once.
  for (const socket of silent) socket.resume();
  await eventually(() => isCut().filter(Boolean).length >= 4);
  await time.passUntil(
    eventually(() => !isCut().includes(false)),
    100,
  );
});
