/** Protects files, threads and HTTP from gRPC clients that take every descriptor. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Logger } from '@loki/ports';
import { eventually } from '@loki/test-tools';
import { IngesterClient, serveIngester } from './ingester-rpc.ts';
import { TestIngester, TestWorld, timers } from './test/rpc.ts';

let world: TestWorld;
const sockets: Socket[] = [];
beforeEach(() => {
  world = new TestWorld();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await world.close();
});

/** Resolves when the server has closed it. */
function opened(port: number): { readonly socket: Socket; readonly closed: Promise<void> } {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  sockets.push(socket);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.resume();
  return { socket, closed };
}

test('connections beyond the bound are closed, counted and told once; a free place is given again', async () => {
  const said: string[] = [];
  let refused = 0;
  const logger: Logger = {
    debug() {},
    info() {},
    warn: (text) => void said.push(text),
    error() {},
    child: () => logger,
  };
  const address = await world.serve((server) => serveIngester(server, new TestIngester()), {
    logger,
    connections: { max: 3, timers, onRefused: () => void refused++ },
  });
  const port = Number(address.split(':')[1]);
  const idle = [opened(port), opened(port), opened(port)];
  await Promise.all(idle.map(({ socket }) => once(socket, 'data')));
  await Promise.all([opened(port).closed, opened(port).closed]);
  expect(refused).toBe(2);
  expect(said).toEqual([
    'gRPC connections are refused: the process has reached its maximum of open connections',
  ]);
  for (const { socket } of idle) expect(socket.closed).toBe(false);
  idle[0].socket.destroy();
  const client = new IngesterClient(world.channel(address));
  expect(await eventually(() => client.partitions())).toEqual([0, 3, 70_000]);
});
