/** The sockets that take connections for a server. */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/**
 * Node accepts one connection on each listening socket in a turn of its event loop. Turns of 10 ms then take
 * 60 connections a second (400 with 16 sockets, 1,600 with 64): clients that connect anew for each push wait
 * in the kernel, and have left before they are served.
 */
const socketsMax = 64;
/** For servers with few connections: each socket takes a descriptor. */
const socketsLeast = 16;
const connectionsPerSocket = 64;

/**
 * Backlog of each socket in the kernel: on half a busy core its connections wait for a second or two. With
 * Node's 511 they would wait for 13 s, longer than their clients. Beyond the backlog the client's kernel
 * tries again after a second.
 */
const backlog = 64;

interface ListenAddress {
  /** 0: any free one. */
  readonly port: number;
  /** Undefined: all interfaces. */
  readonly host: string | undefined;
}

/**
 * Listens on one port with several sockets, where the kernel spreads connections over them; elsewhere, with
 * one.
 */
export class Listeners {
  readonly #server: Server;
  readonly #others: Server[] = [];
  readonly #socketCount: number;

  /**
   * @param server HTTP or HTTPS; it gets the connections of all sockets
   * @param connectionsMax its bound on connections; 0: none
   */
  constructor(server: Server, connectionsMax: number) {
    this.#server = server;
    this.#socketCount = socketCountOf(connectionsMax);
  }

  /**
   * Resolves with the port when connections are accepted.
   *
   * @throws the error of the system, EADDRINUSE say
   */
  async listen({ port, host }: ListenAddress): Promise<number> {
    if (process.platform !== 'linux') return listenOn(this.#server, { port, host });
    // With `reusePort`, processes of one user would share a port without a warning.
    if (port !== 0) await tryAlone({ port, host });
    const shared = await listenOn(this.#server, { port, host, reusePort: true });
    while (this.#others.length < this.#socketCount - 1) {
      const other = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) =>
        this.#server.emit('connection', socket),
      );
      await listenOn(other, { port: shared, host, reusePort: true });
      other.on('error', (error) => this.#server.emit('error', error));
      this.#others.push(other);
    }
    return shared;
  }

  /** Accepts no new connection; resolves when the present ones have ended. */
  async close(): Promise<void> {
    await Promise.all([this.#server, ...this.#others].map(closed));
  }
}

/** Sockets of a server with this bound on connections; 0: none. */
export function socketCountOf(connectionsMax: number): number {
  if (connectionsMax === 0) return socketsMax;
  const fitting = Math.floor(connectionsMax / connectionsPerSocket);
  return Math.min(Math.max(fitting, socketsLeast), socketsMax);
}

/** Rejects when another process listens on the port. */
async function tryAlone(address: ListenAddress): Promise<void> {
  const server = createServer();
  await listenOn(server, address);
  await closed(server);
}

function listenOn(server: Server, options: ListenAddress & { readonly reusePort?: true }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...options, backlog }, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
