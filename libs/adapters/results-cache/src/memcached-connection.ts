/** One connection to a memcached server. */
import net from 'node:net';
import tls from 'node:tls';
import type { Timers } from '@loki/ports';
import { ServerRefusal } from './memcached-protocol.ts';
import type { AnswerReader } from './memcached-protocol.ts';

/** TLS of connections to memcached servers. PEM texts, not paths. */
export interface MemcachedTls {
  /** PEM; absent: the system's authorities. */
  readonly ca?: string;
  /** PEM of our own certificate, for servers that ask for one. */
  readonly cert?: string;
  readonly key?: string;
  /** '' : the host of the address. */
  readonly serverName?: string;
  readonly insecureSkipVerify?: boolean;
}

export interface MemcachedAddress {
  readonly host: string;
  readonly port: number;
}

interface Waiting {
  /** Bytes of the answer. */
  readonly take: (chunk: Buffer) => void;
  readonly fail: (error: Error) => void;
}

/**
 * One connection to one server, with one request at a time. After its first failure it is not used again: a
 * late answer would look like the answer to the next request.
 */
export class MemcachedConnection {
  readonly #socket: net.Socket;
  #waiting: Waiting | undefined;
  #failure: Error | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      if (this.#waiting) this.#waiting.take(chunk);
      else this.close(new Error('the server sent bytes without a request'));
    });
    socket.on('error', (error) => this.close(error));
    socket.on('close', () => this.close(new Error('the server closed the connection')));
  }

  /**
   * Resolves when connected, with TLS if configured; rejects with the first failure, or at the deadline.
   */
  static async open(
    address: MemcachedAddress,
    options: { readonly tls?: MemcachedTls; readonly timers: Timers; readonly timeoutMs: number },
  ): Promise<MemcachedConnection> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = options.tls
      ? tls.connect({ ...address, ...tlsOptions(options.tls, address.host) }, resolve)
      : net.connect(address, resolve);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server closed the connection')));
    const timer = options.timers.after(options.timeoutMs, () =>
      reject(new Error(`no connection within ${options.timeoutMs} ms`)),
    );
    try {
      await promise;
      return new MemcachedConnection(socket);
    } catch (error) {
      socket.on('error', () => undefined); // the socket is being destroyed
      socket.destroy();
      throw error;
    } finally {
      timer.cancel();
      socket.removeListener('error', reject);
    }
  }

  get isUsable(): boolean {
    return this.#failure === undefined;
  }

  /** Sends a request. Rejects and closes the connection when no complete, valid answer arrives in time. */
  request<T>(command: Buffer, reader: AnswerReader<T>, timers: Timers, timeoutMs: number): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#waiting) return Promise.reject(new Error('a request is on its way already'));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = timers.after(timeoutMs, () => this.close(new Error(`no answer within ${timeoutMs} ms`)));
    const settle = () => {
      timer.cancel();
      this.#waiting = undefined;
    };
    const fail = (error: Error) => {
      settle();
      reject(error);
    };
    const take = (chunk: Buffer) => {
      try {
        const complete = reader.take(chunk);
        if (!complete) return;
        settle();
        resolve(complete.answer);
      } catch (error) {
        if (error instanceof ServerRefusal) fail(error);
        else this.close(error as Error);
      }
    };
    this.#waiting = { take, fail };
    this.#socket.write(command);
    return promise;
  }

  close(reason = new Error('the connection was closed')): void {
    if (this.#failure) return;
    this.#failure = reason;
    this.#socket.destroy();
    this.#waiting?.fail(reason);
  }
}

function tlsOptions(options: MemcachedTls, host: string): tls.ConnectionOptions {
  const servername = options.serverName || (net.isIP(host) ? '' : host);
  return {
    ca: options.ca,
    cert: options.cert,
    key: options.key,
    rejectUnauthorized: options.insecureSkipVerify !== true,
    ...(servername ? { servername } : {}),
  };
}
