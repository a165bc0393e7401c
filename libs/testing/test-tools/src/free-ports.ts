/** Free ports of this host for tests. */
import { randomInt } from 'node:crypto';
import net from 'node:net';

const host = '127.0.0.1';
/**
 * Below the ports that the kernel gives to connections: one of these could take a port between the search and
 * the start of its process.
 */
const firstPort = 15_000;
const endPort = 32_000;

/** Ports of this host that are free now: bound together first, so that no two are the same. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listen));
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A port of this host that is free now. Another process may take it before the caller does. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port;
}

/** Whether a process of this host takes connections at the port. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Binds a free port, tried at random. */
async function listen(): Promise<net.Server> {
  for (;;) {
    const port = randomInt(firstPort, endPort);
    const server = await listenAt(port).catch(() => undefined);
    if (server) return server;
  }
}

function listenAt(port: number): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(port, () => resolve(server));
  });
}
