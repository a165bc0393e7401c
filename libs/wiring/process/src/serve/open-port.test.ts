/** Protects operators from refusals of a start that do not say what to change. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Logger } from '@loki/ports';
import { RpcServer } from '@loki/rpc';
import { openPort } from './open-port.ts';

const quiet = () => undefined;
const logger: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };

test.each([
  [
    'listen EADDRINUSE: address already in use :::3100',
    'port 3100 is taken: choose another one with -server.http-listen-port',
  ],
  [
    'listen EACCES: permission denied 0.0.0.0:3100',
    'port 3100 needs rights that this user lacks: choose another one with -server.http-listen-port',
  ],
  [
    'getaddrinfo ENOTFOUND nowhere',
    'port 3100 cannot be opened: getaddrinfo ENOTFOUND nowhere: see -server.http-listen-port and -server.http-listen-address',
  ],
])('%s', async (text, expected) => {
  const listen = () => Promise.reject(new Error(text));
  await expect(openPort(listen, 3100, 'server.http-listen-port')).rejects.toMatchObject({
    message: expected,
  });
});

test('the admin port has the address of HTTP', async () => {
  const listen = () => Promise.reject(new Error('EADDRNOTAVAIL'));
  await expect(openPort(listen, 3101, 'server.admin-listen-port')).rejects.toThrow(
    'see -server.admin-listen-port and -server.http-listen-address',
  );
});

test('a taken gRPC port is named once, without a line of the library beside the log', async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as AddressInfo;
  const written = jest.spyOn(console, 'error').mockImplementation(quiet);
  try {
    const rpc = new RpcServer({ address: '127.0.0.1', port, logger });
    await expect(openPort(() => rpc.listen(), port, 'server.grpc-listen-port')).rejects.toThrow(
      `port ${port} is taken: choose another one with -server.grpc-listen-port`,
    );
    expect(written).not.toHaveBeenCalled();
  } finally {
    written.mockRestore();
    await new Promise((resolve) => holder.close(resolve));
  }
});
