/** Protects clients that connect anew for each request from waiting until they have gone. */
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Server } from 'node:net';
import { Listeners, socketCountOf } from './listeners.ts';

const host = '127.0.0.1';
const onLinux = process.platform === 'linux' ? test : test.skip;

async function listening(port = 0): Promise<{ server: Server; listeners: Listeners; port: number }> {
  const server = createServer((_message, response) => response.end('served'));
  const listeners = new Listeners(server, 0);
  return { server, listeners, port: await listeners.listen({ port, host }) };
}

onLinux('a turn of the event loop takes several connections', async () => {
  const count = 200;
  const { server, listeners, port } = await listening();
  let accepted = 0;
  server.on('connection', () => accepted++);
  const clients = Array.from({ length: count }, () => connect(port, host));
  let turns = 0;
  for (; accepted < count; turns++) await new Promise((resolve) => setImmediate(resolve));
  for (const client of clients) client.destroy();
  await listeners.close();
  // One socket takes as many turns as there are clients.
  expect(turns).toBeLessThan(count / 2);
});

test('every connection is served, whichever socket took it', async () => {
  const { listeners, port } = await listening();
  const answers = Array.from({ length: 50 }, async () => {
    const response = await fetch(`http://${host}:${port}/`, { headers: { connection: 'close' } });
    return response.text();
  });
  expect(new Set(await Promise.all(answers))).toEqual(new Set(['served']));
  await listeners.close();
});

test('a port that another server has is refused, not shared', async () => {
  const { listeners, port } = await listening();
  await expect(listening(port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await listeners.close();
  const again = await listening(port);
  await again.listeners.close();
});

test('a server with few descriptors for connections takes few for sockets', () => {
  expect([96, 384, 2_048, 16_000, 0].map(socketCountOf)).toEqual([16, 16, 32, 64, 64]);
});
